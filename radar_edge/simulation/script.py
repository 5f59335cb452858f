"""A scripted run of a real line: real processes, a real bundle, a PLC on the other end, a camera lost and found.

It starts `radar-edge run` and the simulated PLC as their users would, on two ends of a cable, and pulls a camera's
plug: its process is killed and its device folder renamed away, so that every restart fails until it is put back.
It knows nothing of what the parts show.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from radar_edge import files
from radar_edge.clock import NS_PER_MS, NS_PER_S
from radar_edge.errors import ShortfallError
from radar_edge.simulation.cable import Cable

START_LIMIT_S = 30.0
"""How long the line and the PLC may take to judge their first part, on a machine under load."""


@dataclass(frozen=True)
class Setting:
    """The line that a script runs."""

    bundle: Path
    parts: tuple[dict[str, Path], ...]
    """The image file of each modality, part by part: trigger n shows parts[n - 1]."""
    parts_per_s: float = 5.0
    deadline_ms: float = 250.0
    window_ms: float = 400.0
    fps: float = 30.0
    allow_unsigned: bool = False


@dataclass(frozen=True)
class Fault:
    """A camera's plug is pulled `at_s` after the first part and put back at `until_s`."""

    modality: str
    at_s: float
    until_s: float


@dataclass(frozen=True)
class Outcome:
    """What happened, as the PLC saw it. Stamps are monotonic nanoseconds of this machine."""

    rows: tuple[dict[str, Any], ...]
    """One a part, from the PLC."""
    summary: dict[str, Any]
    """The PLC's own count."""
    pulled_ns: int
    restored_ns: int


def lay_out_cameras(folder: Path, parts: Sequence[dict[str, Path]], modalities: Sequence[str]) -> None:
    """One folder a camera, whose files in order of names are what it shows trigger by trigger."""
    for name in modalities:
        camera = folder / name
        camera.mkdir(parents=True)
        for number, part in enumerate(parts, 1):
            source = part[name].resolve()
            (camera / f"{number:06d}{source.suffix}").symlink_to(source)


def line_document(setting: Setting, folder: Path, port: str) -> dict[str, Any]:
    """The line.yaml of this run."""
    return {
        "schema_version": 1,
        "bundle": str(setting.bundle.resolve()),
        "engine": "onnxruntime",
        "deadline_ms": setting.deadline_ms,
        "pair_wait_ms": round(setting.deadline_ms * 0.4, 1),
        "cameras": [
            {
                "backend": "replay",
                "camera_id": f"{name}-camera",
                "modality": name,
                "fps": setting.fps,
                "folder": str(folder / "cameras" / name),
            }
            for name in setting.parts[0]
        ],
        "routing": {"degraded": "may_pass"},
        "plc": {"driver": "modbus-slave", "port": port, "baud": 115200},
        "journal": {"path": str(folder / "journal.sqlite")},
    }


def run_script(
    setting: Setting, fault: Fault | None, folder: Path, report: Callable[[int, int], None] = lambda _done, _all: None
) -> Outcome:
    """Run every part once through a real line in `folder`. Raises ShortfallError if a process ends early."""
    folder = folder.resolve()
    lay_out_cameras(folder / "cameras", setting.parts, tuple(setting.parts[0]))
    seen = folder / "plc.jsonl"
    with Cable() as cable:
        files.write_text(folder / "line.yaml", yaml.safe_dump(line_document(setting, folder, cable.a), sort_keys=False))
        run = [sys.executable, "-m", "radar_edge", "run", str(folder / "line.yaml")]
        run += ["--allow-unsigned"] if setting.allow_unsigned else []
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--out", str(seen)]
        plc += ["--parts", str(len(setting.parts)), "--period-ms", str(1000 / setting.parts_per_s)]
        plc += ["--window-ms", str(setting.window_ms)]
        with process(run, folder / "run.log") as line, process(plc, folder / "plc.log") as master:
            stamps = follow(seen, fault, folder, len(setting.parts), line, master, report)
            summary = json.loads((folder / "plc.log").read_text().splitlines()[-1])
    return Outcome(tuple(read_rows(seen)), summary, *stamps)


@contextmanager
def process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child whose output goes to `log`; asked to stop when the block ends, killed if it does not."""
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def follow(
    seen: Path,
    fault: Fault | None,
    folder: Path,
    parts: int,
    line: subprocess.Popen[bytes],
    master: subprocess.Popen[bytes],
    report: Callable[[int, int], None],
) -> tuple[int, int]:
    """Wait until the PLC has announced every part; pull and restore the plug on the way."""
    began, first_ns, pulled_ns, restored_ns = time.monotonic(), 0, 0, 0
    while master.poll() is None:
        if line.poll() is not None:
            raise ShortfallError("the line stopped by itself", found=tail(folder / "run.log"))
        rows = read_rows(seen)
        report(len(rows), parts)
        if not first_ns and rows:
            first_ns = rows[0]["announced_ns"]
        if not first_ns and time.monotonic() - began > START_LIMIT_S:
            raise ShortfallError("the line judged no part", found=tail(folder / "run.log"))
        running_s = (time.monotonic_ns() - first_ns) / NS_PER_S if first_ns else 0.0
        if fault and not pulled_ns and running_s >= fault.at_s:
            pulled_ns = pull_plug(folder, fault.modality)
        if fault and pulled_ns and not restored_ns and running_s >= fault.until_s:
            restored_ns = restore_plug(folder, fault.modality)
        time.sleep(0.02)
    if master.returncode != 0:
        raise ShortfallError("the simulated PLC failed", found=tail(folder / "plc.log"))
    return pulled_ns, restored_ns


def pull_plug(folder: Path, modality: str) -> int:
    """SIGKILL the camera's process and take its device away; returns the time of the kill."""
    pid = json.loads((folder / "state.json").read_text())["pids"].get(f"{modality}-camera")
    (folder / "cameras" / modality).rename(folder / "cameras" / f"{modality}.unplugged")
    # It may be between two lives already: then it finds no device to open.
    with suppress(ProcessLookupError):
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    return time.monotonic_ns()


def restore_plug(folder: Path, modality: str) -> int:
    (folder / "cameras" / f"{modality}.unplugged").rename(folder / "cameras" / modality)
    return time.monotonic_ns()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines that are there; the last may still be under way."""
    if not path.exists():
        return []
    text = path.read_text()
    return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]


def tail(path: Path, lines: int = 12) -> str:
    return "\n".join(["", *path.read_text(errors="replace").splitlines()[-lines:]])


def failover_ms(outcome: Outcome, subset_bits: int) -> float | None:
    """From the kill to the first part judged by the engine of `subset_bits`, as the PLC saw it."""
    after = [
        row["seen_ns"]
        for row in outcome.rows
        if row["seen_ns"] is not None and row["subset_bits"] == subset_bits and row["seen_ns"] > outcome.pulled_ns
    ]
    return (min(after) - outcome.pulled_ns) / NS_PER_MS if after and outcome.pulled_ns else None
