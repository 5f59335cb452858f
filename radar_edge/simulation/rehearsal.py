"""A line of one's own with faults on demand: its cameras, its bundle, its journal; a simulated PLC and cable.

    faults.yaml --schedule--> Hands --signals, files, limits--> the line's processes, the cable
                                                                |
                              the PLC's rows, the journal <-----+---> report.Findings

Everything is real but the PLC, its cable, and what the Hands do. Linux only. It judges nothing: see rehearsal_report.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from radar_edge import files
from radar_edge.clock import NS_PER_S
from radar_edge.config import LineConfig, ModbusSlaveConfig
from radar_edge.errors import MachineError, ShortfallError, UsageError
from radar_edge.runtime.journal_file import read_events, read_parts
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.control import VARIABLE, Control
from radar_edge.simulation.faults import Fault, FaultPlan
from radar_edge.simulation.script import START_LIMIT_S, process, read_rows, tail

LOOK_S = 0.01
WINDOW_MARGIN_MS = 100.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """A fault as it was: monotonic stamps of its begin and end."""

    fault: Fault
    began_ns: int
    ended_ns: int


@dataclass(frozen=True)
class Rehearsed:
    """What happened: the faults, the PLC's rows and counts, the journal's rows and events."""

    done: tuple[Done, ...]
    rows: tuple[dict[str, Any], ...]
    counts: dict[str, Any]
    parts: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]


def check(config: LineConfig, plan: FaultPlan) -> ModbusSlaveConfig:
    """The PLC's settings. Raises UsageError where this line cannot be rehearsed."""
    if not isinstance(config.plc, ModbusSlaveConfig) or config.trigger.source != "plc":
        raise UsageError(
            "only a line whose PLC polls it can be rehearsed",
            found=f"driver {config.plc.driver}, triggers from {config.trigger.source}",
            wanted="driver modbus-slave, trigger.source plc",
        )
    cameras = {camera.camera_id for camera in config.cameras}
    strangers = sorted({fault.camera for fault in plan.faults if fault.camera} - cameras)
    if strangers:
        raise UsageError(
            "faults.yaml names cameras that the line does not have",
            found=", ".join(strangers),
            wanted=", ".join(sorted(cameras)),
        )
    return config.plc


class Hands:
    """What does the faults to the line of `folder`, whose processes are known from its state.json."""

    def __init__(self, folder: Path, control: Control, cable: Cable, line_pid: int) -> None:
        self._folder = folder
        self._control = control
        self._cable = cable
        self._line_pid = line_pid
        self._held: dict[str, int] = {}  # camera -> pid

    def begin(self, fault: Fault) -> None:
        if fault.fault == "plc_silence":
            self._cable.cut()
        elif fault.fault == "unplug":
            self._cable.unplug()
        elif fault.fault == "disk_full":
            self._limit_files(1)
        elif fault.fault == "stop" and fault.camera is not None:
            self._held[fault.camera] = self._signal(fault.camera, signal.SIGSTOP)
        else:
            self._control.set(fault.place, fault.fault)
            if fault.fault == "kill" and fault.camera is not None:
                self._signal(fault.camera, signal.SIGKILL)

    def end(self, fault: Fault) -> None:
        if fault.fault == "plc_silence":
            self._cable.join()
        elif fault.fault == "unplug":
            self._cable.plug()
        elif fault.fault == "disk_full":
            self._limit_files(resource.RLIM_INFINITY)
        elif fault.fault == "stop" and fault.camera is not None:
            with suppress(ProcessLookupError):
                os.kill(self._held.pop(fault.camera), signal.SIGCONT)
        else:
            self._control.clear(fault.place)

    def _signal(self, camera: str, number: signal.Signals) -> int:
        pid = json.loads((self._folder / "state.json").read_text())["pids"].get(camera, 0)
        with suppress(ProcessLookupError):  # it may be between two lives
            if pid:
                os.kill(pid, number)
        return pid or self._line_pid

    def _limit_files(self, size: int) -> None:
        """No file of the line may grow beyond `size`: what it writes fails as on a full disk (EFBIG for ENOSPC)."""
        hard = resource.prlimit(self._line_pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self._line_pid, resource.RLIMIT_FSIZE, (size if size > 0 else hard, hard))


def rehearse(
    config: LineConfig,
    plan: FaultPlan,
    folder: Path,
    *,
    allow_unsigned: bool = False,
    report: Progress = lambda _: None,
) -> Rehearsed:
    """Run the line (with paths as they are to be used) in `folder` and do the plan's faults to it.

    Raises UsageError, ShortfallError if a process ends early, MachineError where there is no cable.
    """
    plc = check(config, plan)
    folder = folder.resolve()
    seen, control = folder / "plc.jsonl", folder / "faults"
    for path in (folder / "journal.sqlite", seen):
        if path.exists():
            raise UsageError(f"{path} is there already", next_step="name a new or empty folder with --out")
    control.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        cable = stack.enter_context(Cable())
        files.write_text(folder / "line.yaml", yaml.safe_dump(_document(config, folder, cable.a), sort_keys=False))
        os.environ[VARIABLE] = str(control)
        stack.callback(os.environ.pop, VARIABLE, None)
        run = [sys.executable, "-m", "radar_edge.simulation.faulty_line", str(folder / "line.yaml")]
        run += ["--allow-unsigned"] if allow_unsigned else []
        line = stack.enter_context(process(run, folder / "run.log"))
        master = stack.enter_context(process(_plc_command(plc, config, plan, cable.b, seen), folder / "plc.log"))
        hands = Hands(folder, Control(control), cable, line.pid)
        done = _follow(plan, hands, seen, folder, line, master, report)
        counts = json.loads((folder / "plc.log").read_text().splitlines()[-1])
    journal = folder / "journal.sqlite"
    return Rehearsed(
        tuple(done), tuple(read_rows(seen)), counts, tuple(read_parts(journal)), tuple(read_events(journal))
    )


def _document(config: LineConfig, folder: Path, port: str) -> dict[str, Any]:
    """The line as it is, but for its port and its journal, and for products: the one that `bundle` names is run."""
    document = config.model_dump(mode="json", exclude_unset=True)
    document["plc"] = {**document["plc"], "port": port}
    document.pop("products", None)
    document["plc"].pop("usb_serial", None)
    document["journal"] = {**document["journal"], "path": str(folder / "journal.sqlite")}
    return document


def _plc_command(plc: ModbusSlaveConfig, config: LineConfig, plan: FaultPlan, port: str, out: Path) -> list[str]:
    options = {
        "--port": port,
        "--out": out,
        "--parts": round(plan.seconds * plan.parts_per_s),
        "--period-ms": 1000 / plan.parts_per_s,
        "--window-ms": plan.window_ms or config.deadline_ms + WINDOW_MARGIN_MS,
        "--baud": plc.baud,
        "--unit": plc.unit_id,
        "--input-base": plc.input_base,
        "--holding-base": plc.holding_base,
    }
    return [sys.executable, "-m", "radar_edge.simulation.plc", *(str(x) for pair in options.items() for x in pair)]


def _follow(
    plan: FaultPlan,
    hands: Hands,
    seen: Path,
    folder: Path,
    line: subprocess.Popen[bytes],
    master: subprocess.Popen[bytes],
    report: Progress,
) -> list[Done]:
    """Until the PLC has announced every part: begin and end the faults when their time has come."""
    first_ns = _first_part(seen, folder, line, master)
    began: dict[int, int] = {}
    done: list[Done] = []
    waiting = sorted(plan.faults, key=lambda fault: fault.at_s)
    while master.poll() is None:
        if line.poll() is not None:
            raise ShortfallError("the line stopped by itself", found=tail(folder / "run.log"))
        running_s = (time.monotonic_ns() - first_ns) / NS_PER_S
        for number, fault in enumerate(waiting):
            if number not in began and running_s >= fault.at_s:
                hands.begin(fault)
                began[number] = time.monotonic_ns()
                report(f"{running_s:6.1f} s  {fault.fault} {fault.camera or ''} for {fault.for_s:g} s")
            elif began.get(number, 0) and running_s >= fault.until_s:
                hands.end(fault)
                done.append(Done(fault, began[number], time.monotonic_ns()))
                began[number] = 0
        time.sleep(LOOK_S)
    if master.returncode != 0:
        raise ShortfallError("the simulated PLC failed", found=tail(folder / "plc.log"))
    return sorted(done, key=lambda item: item.began_ns)


def _first_part(seen: Path, folder: Path, line: subprocess.Popen[bytes], master: subprocess.Popen[bytes]) -> int:
    """When the first part was announced; its row comes with its verdict."""
    began = time.monotonic()
    while not (rows := read_rows(seen)):
        if line.poll() is not None or master.poll() is not None:
            log = "run.log" if line.poll() is not None else "plc.log"
            raise ShortfallError("the line did not start", found=tail(folder / log))
        if time.monotonic() - began > START_LIMIT_S:
            raise MachineError("the line judged no part", found=tail(folder / "run.log"))
        time.sleep(LOOK_S)
    announced_ns: int = rows[0]["announced_ns"]
    return announced_ns


def unfinished(plan: FaultPlan, done: Sequence[Done]) -> list[str]:
    """Faults of the plan that did not come to their end."""
    ended = {(item.fault.place, item.fault.at_s) for item in done}
    return [fault.fault for fault in plan.faults if (fault.place, fault.at_s) not in ended]
