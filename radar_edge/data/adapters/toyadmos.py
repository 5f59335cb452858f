"""ToyADMOS in the form of DCASE 2020 task 2: recordings of one machine type as log-mel pictures. Knows no other set.

    <machine>/train/normal_id_<id>_<n>.wav    <machine>/test/{normal,anomaly}_id_<id>_<n>.wav

Each channel of the recordings is a modality, mic1, mic2 and so on; those of the challenge have one. The machine's id
is a stratum, not a group: every id is in both splits by the challenge's own rule. There are no masks: nobody marked
where in a spectrogram the anomaly is. See data.adapters.mel for the picture.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from pathlib import Path

from radar_edge.data.adapters.mel import OFFSET_DB, SCALE_DB, Recording, look, spectrogram
from radar_edge.data.adapters.plan import Adapter, Findings, Options, Part, Plan, Progress, Source
from radar_edge.data.kinds import DeclaredModality
from radar_edge.data.layouts import GOOD
from radar_edge.errors import DatasetError

NAME = re.compile(r"(normal|anomaly)_id_(\d+)_\w+\Z")
CLASSES = {"normal": GOOD, "anomaly": "anomaly"}
PICTURE = DeclaredModality(channels=1, bit_depth=16, unit="dB", scale=SCALE_DB, offset=OFFSET_DB)


def holds(folder: Path) -> bool:
    return any((folder / "train").glob("*.wav"))


def plan(root: Path, options: Options, progress: Progress) -> Plan:
    found = Findings(root, options)
    heads = read_heads(root, found, progress)
    if not any(path.parent.name == "test" for path in heads):
        found.faults.append("test holds no *.wav that can be used")
    kinds = Counter((head.channels, head.rate_hz) for head in heads.values())
    if not kinds:
        return found.plan({}, [])
    channels, rate_hz = kinds.most_common(1)[0][0]
    parts = [made for path, head in heads.items() if (made := part(path, head, channels, rate_hz, found)) is not None]
    return found.plan({mic(channel): PICTURE for channel in range(channels)}, parts)


def read_heads(root: Path, found: Findings, progress: Progress) -> dict[Path, Recording]:
    """What each recording is; one that cannot be used is a fault."""
    files = [path for split in ("train", "test") for path in sorted((root / split).glob("*.wav"))]
    for split in ("train", "test"):
        found.strangers(root / split, (".wav",))
    heads = {}
    for done, path in enumerate(files, 1):
        try:
            heads[path] = look(path)
        except DatasetError as error:
            found.faults.append(f"{found.name(path)} cannot be used: {error.found} (wanted {error.wanted})")
        progress("plan", done, len(files))
    return heads


def part(path: Path, head: Recording, channels: int, rate_hz: int, found: Findings) -> Part | None:
    """`channels` and `rate_hz` are those of most recordings. None if the name does not say what it is."""
    match, name = NAME.match(path.stem), found.name(path)
    if match is None or (match[1] == "anomaly" and path.parent.name == "train"):
        found.faults.append(f"{name} is not as named: wanted train/normal_id_*, test/normal_id_* or anomaly_id_*")
        return None
    if head.rate_hz != rate_hz:
        found.faults.append(f"{name} has {head.rate_hz} Hz where most have {rate_hz}")
    if head.channels > channels:
        found.faults.append(f"{name} has {head.channels} channels where most have {channels}")
    for channel in range(head.channels, channels):
        found.missing(f"{name} has no channel {channel + 1}: there is no {mic(channel)} of this part")
    pictures = {
        mic(channel): Source(path, partial(spectrogram, channel=channel, rate_hz=rate_hz))
        for channel in range(min(head.channels, channels))
    }
    return Part(path.parent.name, CLASSES[match[1]], path.stem, pictures, strata={"machine_id": match[2]})


def mic(channel: int) -> str:
    """The name of a channel, from 0, as a modality."""
    return f"mic{channel + 1}"


ADAPTER = Adapter("<machine>/{train,test}/{normal,anomaly}_id_<id>_<n>.wav", holds, plan)
