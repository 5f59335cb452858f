"""The simulated PLC as a process, against the product's link with a loop that answers every trigger."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from radar_edge.clock import MonotonicClock
from radar_edge.config import ModbusSlaveConfig
from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.link import PlcLink, StatusBit
from radar_edge.simulation.cable import Cable

DEADLINE_NS = 5_000_000_000
ODD_REJECTED = {0: (Code.PASS, Reason.GOOD), 1: (Code.REJECT, Reason.ANOMALY)}


class Loop:
    """Answers each trigger after a while: even ids pass, odd ones are rejected. It beats while it runs."""

    def __init__(self, link: PlcLink, answer_after_s: float = 0.02) -> None:
        self.link = link
        self.answer_after_s = answer_after_s
        self.beating = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        due: list[tuple[float, int, int]] = []
        while not self._stopping.is_set():
            if self.beating:
                self.link.beat(StatusBit.READY, [Ne107.GOOD])
            trigger = self.link.wait_trigger(0.005)
            if trigger is not None:
                due.append((time.monotonic() + self.answer_after_s, trigger.trigger_id, trigger.received_ns))
            while due and due[0][0] <= time.monotonic():
                _, trigger_id, received_ns = due.pop(0)
                verdict = Verdict(trigger_id, *ODD_REJECTED[trigger_id % 2])
                self.link.publish(verdict, wire_score=300, subset_bits=3, deadline_ns=received_ns + DEADLINE_NS)

    def __enter__(self) -> Loop:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@contextmanager
def product(cable: Cable, answer_after_s: float = 0.02) -> Iterator[Loop]:
    with (
        open_link(ModbusSlaveConfig(driver="modbus-slave", port=cable.a), MonotonicClock()) as link,
        Loop(link, answer_after_s) as loop,
    ):
        yield loop


@contextmanager
def plc(cable: Cable, out: Path, **settings: object) -> Iterator[subprocess.Popen[str]]:
    options = {"parts": 20, "period-ms": 50, "window-ms": 10_000, **settings}
    command = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", cable.b, "--out", str(out)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def summary_of(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    return json.loads(out.splitlines()[-1])


def rows(path: Path) -> list[dict]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]


def until_rows(path: Path, count: int) -> None:
    end = time.monotonic() + 30
    while len(rows(path)) < count:
        assert time.monotonic() < end, f"{count} parts were never settled"
        time.sleep(0.01)


def until_missing(path: Path, count: int) -> None:
    end = time.monotonic() + 30
    while sum(row["missing"] for row in rows(path)) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_part_gets_its_verdict_with_several_in_flight(tmp_path: Path) -> None:
    out = tmp_path / "plc.jsonl"
    with Cable() as cable, product(cable, answer_after_s=0.13), plc(cable, out, **{"start-id": 65530}) as process:
        summary = summary_of(process)
    wanted = {"parts": 20, "pass": 10, "reject": 10, "missing": 0, "late": 0, "false_ack": 0, "torn": 0}
    assert {name: summary[name] for name in wanted} == wanted
    ids = [*range(65530, 65536), *range(1, 15)]
    assert [(row["trigger_id"], row["accepted"]) for row in rows(out)] == [(n, n % 2 == 0) for n in ids]
    starts = [row["announced_ns"] for row in rows(out)]
    assert starts[-1] - starts[0] >= 18 * 50_000_000
    assert summary["polls"] > 20


def test_what_comes_after_the_window_is_missing_and_late(tmp_path: Path) -> None:
    with (
        Cable() as cable,
        product(cable, answer_after_s=0.15),
        plc(cable, tmp_path / "out", parts=4, **{"window-ms": 100}) as process,
    ):
        summary = summary_of(process)
    assert (summary["parts"], summary["missing"], summary["late"], summary["pass"]) == (4, 4, 4, 0)
    assert [(row["missing"], row["late"], row["accepted"]) for row in rows(tmp_path / "out")] == [
        (True, True, False)
    ] * 4


def test_a_plc_that_is_killed_starts_again(tmp_path: Path) -> None:
    with Cable() as cable, product(cable):
        with plc(cable, tmp_path / "first", parts=1000) as process:
            until_rows(tmp_path / "first", 5)
            process.kill()
        with plc(cable, tmp_path / "second", **{"start-id": 2000}) as process:
            summary = summary_of(process)
    assert (summary["parts"], summary["pass"], summary["reject"]) == (20, 10, 10)


def test_a_heart_that_stands_still_stops_the_line(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Cable() as cable, product(cable) as loop, plc(cable, out, parts=1000) as process:
        until_rows(out, 4)
        loop.beating = False
        end = time.monotonic() + 30
        while not any(row["outcome"] == "stopped" for row in rows(out)):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        summary = summary_of(process)
    assert summary["line_stops"] >= 1
    assert summary["stopped"] >= 1


def test_a_cable_that_is_cut_and_joined(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Cable() as cable, product(cable), plc(cable, out, parts=60, **{"window-ms": 400}) as process:
        until_rows(out, 2)
        cable.cut()
        until_missing(out, 3)
        cable.join()
        summary = summary_of(process)
    seen = sorted(rows(out), key=lambda row: row["trigger_id"])
    assert [row["trigger_id"] for row in seen] == list(range(1, 61))
    assert summary["missing"] >= 3
    assert summary["poll_errors"] >= 1
    assert summary["false_ack"] == 0
    assert all(row["latency_ms"] <= 400 for row in seen if row["accepted"])
    assert {"pass", "reject"} <= {row["outcome"] for row in seen[-30:]}


def test_an_unplugged_product_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Cable() as cable, product(cable), plc(cable, out, parts=60, **{"window-ms": 400}) as process:
        until_rows(out, 5)
        cable.unplug()
        cable.plug()
        summary = summary_of(process)
    assert (summary["parts"], summary["false_ack"]) == (60, 0)
    assert {"pass", "reject"} <= {row["outcome"] for row in rows(out)[-30:]}


@pytest.mark.parametrize(
    ("port", "wanted"), [("/dev/ttyNONE7", "cannot open /dev/ttyNONE7"), (None, "became READY within 0.3 s")]
)
def test_errors_of_the_machine_are_clear(tmp_path: Path, port: str | None, wanted: str) -> None:
    with Cable() as cable:
        settings = {"ready-timeout-s": 0.3, **({"port": port} if port else {})}
        with plc(cable, tmp_path / "out", **settings) as process:
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert wanted in err
    assert "Traceback" not in err


def test_it_knows_nothing_of_the_runtime() -> None:
    code = "import sys, radar_edge.simulation.plc; print([m for m in sys.modules if 'radar_edge.runtime' in m])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
