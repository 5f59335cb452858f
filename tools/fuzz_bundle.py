"""Any one byte of a bundle, or of a unit's plans, is changed: each must be refused before it is loaded.

    tools/fuzz_bundle.py [--times N] [--json]

A signed bundle of tiny engines and a signed device folder with plans (random bytes: nothing may get as far as to load
them). Each time one byte of one file, both drawn at random, becomes another. Then both are opened with another key.

The last line on stdout is JSON with the counts by file, `faults` and the machine; exit 1 if anything was accepted.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from radar_edge.benchmark.machine import machine
from radar_edge.bundle import create_key, load_signer, open_bundle, trusted_keys
from radar_edge.bundle.device_record import DeviceRecord, PlanEntry, open_device, write_device
from radar_edge.errors import BundleError
from radar_edge.simulation.bright import CALIBRATION, write_bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        found = fuzz(Path(folder), times)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def fuzz(folder: Path, times: int) -> dict[str, Any]:
    keys = folder / "keys"
    write_bundle(folder / "bundle", keys)
    trusted = trusted_keys(keys)
    digest = open_bundle(folder / "bundle", trusted).sha256
    write_plans(folder / "device", digest, keys)
    openers: dict[str, Callable[[], object]] = {
        "bundle": lambda: open_bundle(folder / "bundle", trusted),
        "device": lambda: open_device(folder / "device", digest, trusted),
    }
    targets = [path for name in openers for path in sorted((folder / name).rglob("*")) if path.is_file()]
    targets = [path for path in targets if path.name != "timing.cache"]  # wrong, it is not used: see known_timing_cache
    chance, changed, faults = random.Random(0), Counter[str](), []
    for _ in range(times):
        path = chance.choice(targets)
        name = str(path.relative_to(folder))
        if not refused_with_a_changed_byte(path, openers[name.split("/")[0]], chance):
            faults.append(f"{name} was accepted with a changed byte")
        changed[name] += 1
    create_key(folder / "others")
    others = trusted_keys(folder / "others")
    openers_of_others: dict[str, Callable[[], object]] = {
        "bundle": lambda: open_bundle(folder / "bundle", others),
        "device": lambda: open_device(folder / "device", digest, others),
    }
    for name, opener in openers_of_others.items():
        if not refused(opener):
            faults.append(f"the {name} was accepted although its key is not trusted")
    for opener in openers.values():
        opener()  # the files are what they were
    return {"times": times, "files": dict(changed), "faults": faults[:20]}


def refused_with_a_changed_byte(path: Path, opener: Callable[[], object], chance: random.Random) -> bool:
    whole = path.read_bytes()
    at = chance.randrange(len(whole))
    path.write_bytes(whole[:at] + bytes((whole[at] ^ chance.randrange(1, 256),)) + whole[at + 1 :])
    try:
        return refused(opener)
    finally:
        path.write_bytes(whole)


def refused(opener: Callable[[], object]) -> bool:
    try:
        opener()
    except BundleError:
        return True
    return False


def write_plans(folder: Path, bundle: str, keys: Path) -> None:
    plans = {slug: random.Random(slug).randbytes(5000) for slug in ("rgb", "tir", "rgb_tir")}
    entries = tuple(
        PlanEntry(subset=slug, precision="int8", sha256=sha256(data).hexdigest(), calibration=CALIBRATION,
                  recalibrated=True, score_gap=0.0, flipped=0, parts=40, build_s=1.0, mapped=True, mapped_ms=1.0,
                  staged_ms=1.0)
        for slug, data in plans.items()
    )  # fmt: skip
    record = DeviceRecord(schema_version=1, bundle=bundle, target="orin-nano-8gb", made_by="fuzz", gpu="Orin",
                          compute_capability="8.7", tensorrt="10.3.0", plans=entries)  # fmt: skip
    write_device(folder, record, plans, b"", load_signer(keys))


if __name__ == "__main__":
    main()
