"""What the PLC link stands: each scenario runs the product's link against a PLC in another process, on a cable.

    tools/bench_plc.py late|lost|noise|unplug|kill|roundtrip [--parts N] [--json]

late       slave PLC, each reply 130 ms late against a timeout of 100 ms: nothing may be acknowledged
lost       slave PLC, every other reply lost: every verdict delivered or reported
noise      --noise of all bytes damaged, lost or stray, --role master or slave: no wrong verdict, every loss reported
unplug     the adapter pulled and put back again and again: recovers within 2 s, no late PASS
kill       the product killed with SIGKILL and started again: rejects meanwhile, no stale PASS
roundtrip  a write of four registers and its reply against libmodbus, beside pymodbus and minimalmodbus

The product passes even trigger ids and rejects odd ones, so the PLC's own record shows a wrong verdict. The last line
on stdout is JSON with the figures, `faults` and the machine; exit 1 if a figure falls short.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from radar_edge.clock import MonotonicClock
from radar_edge.config import ModbusMasterConfig, Plc
from radar_edge.records import Code, Ne107, Reason, Verdict
from radar_edge.runtime.plc import open_link
from radar_edge.runtime.plc.link import PlcLink, StatusBit
from radar_edge.simulation.cable import Cable

DRIVERS = {"master": "modbus-slave", "slave": "modbus-master"}
"""The PLC's role -> our driver."""
RECOVER_S = 2.0
WRITTEN = [1, 2, 3, 4]
Master = tuple[Callable[[], object], Callable[[], object]]
"""Writes WRITTEN and waits for the reply; closes the port."""


class Product:
    """The link with a loop that answers every trigger. `deliveries` counts what became of the verdicts."""

    def __init__(self, role: str, port: str, deadline_ms: float, **settings: Any) -> None:
        config = TypeAdapter(Plc).validate_python({"driver": DRIVERS[role], "port": port, **settings})
        self._deadline_ns = round(deadline_ms * 1e6)
        self._link: PlcLink = open_link(config, MonotonicClock())
        self._stopping = threading.Event()
        self.deliveries: Counter[str] = Counter()
        self.triggers = self.not_fresh = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._link.beat(StatusBit.READY, [Ne107.GOOD])
            trigger = self._link.wait_trigger(0.02)
            if trigger is not None:
                self.triggers += 1
                self.not_fresh += not trigger.fresh
                passes = trigger.trigger_id % 2 == 0 and trigger.fresh
                code, reason = (Code.PASS, Reason.GOOD) if passes else (Code.REJECT, Reason.ANOMALY)
                deadline_ns = trigger.received_ns + self._deadline_ns
                verdict = Verdict(trigger.trigger_id, code, reason)
                self._link.publish(verdict, wire_score=300, subset_bits=1, deadline_ns=deadline_ns)
            self._count()

    def _count(self) -> None:
        for delivery in self._link.take_deliveries():
            self.deliveries[delivery.state.value] += 1

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._link.close()
        self._count()


@contextmanager
def product(role: str, port: str, deadline_ms: float = 250, **settings: Any) -> Iterator[Product]:
    running = Product(role, port, deadline_ms, **settings)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def product_process(role: str, port: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, __file__, "product", "--role", role, "--port", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


class PlcProcess:
    """The simulated PLC, its record and its summary."""

    def __init__(self, role: str, port: str, parts: int, period_ms: float, window_ms: float, *options: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="radar-edge-plc-")
        self.out = Path(self.folder.name) / "plc.jsonl"
        command = [sys.executable, "-m", "radar_edge.simulation.plc", "--role", role, "--port", port]
        command += ["--parts", str(parts), "--period-ms", str(period_ms), "--window-ms", str(window_ms)]
        command += ["--out", str(self.out), "--input-base", "0" if role == "master" else "100", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def rows(self) -> list[dict[str, Any]]:
        text = self.out.read_text() if self.out.exists() else ""
        return [json.loads(row) for row in text[: text.rfind("\n") + 1].splitlines()]

    def finish(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        text, error = self.process.communicate()
        if self.process.returncode:
            raise SystemExit(f"the simulated PLC failed: {error}")
        rows = self.rows()
        self.folder.cleanup()
        return json.loads(text.splitlines()[-1]), rows


def figures(summary: dict[str, Any], rows: list[dict[str, Any]], running: Product | None) -> dict[str, Any]:
    names = ("parts", "pass", "reject", "no_decision", "missing", "stopped", "late", "late_pass", "false_ack")
    found: dict[str, Any] = {
        name: summary[name] for name in (*names, "through", "gate_rejected", "poll_errors", "seconds")
    }
    found["wrong"] = sum(row["accepted"] and row["trigger_id"] % 2 == 1 for row in rows)
    if running is not None:
        found |= {"triggers": running.triggers, "deliveries": dict(running.deliveries)}
    return found


def faults_of(found: dict[str, Any]) -> list[str]:
    """What no scenario may show."""
    wanted = {"wrong": 0, "false_ack": 0, "late_pass": 0}
    faults = [f"{name} is {found[name]}" for name, value in wanted.items() if found[name] != value]
    if found["through"] > found["pass"]:
        faults.append("the gate let through what was not passed")
    if "deliveries" in found:
        counted = found["deliveries"]
        ends = counted.get("shown", 0) + counted.get("not_delivered", 0)
        if ends != found["triggers"]:
            faults.append(f"{found['triggers']} verdicts, {ends} of them delivered or reported")
    return faults


def late(given: argparse.Namespace) -> dict[str, Any]:
    given.role = "slave"
    with Cable() as cable, product("slave", cable.a, reply_timeout_ms=100) as running:
        # READY never arrives over such a line, so the parts come from here: the link has them to deliver.
        plc = PlcProcess("slave", cable.b, 1, 100, 400, "--late-ms", "130", "--ready-timeout-s", "100000")
        for number in range(1, given.parts + 1):
            verdict = Verdict(number % 65535 + 1, Code.PASS, Reason.GOOD)
            deadline_ns = time.monotonic_ns() + 120_000_000
            running._link.publish(verdict, wire_score=0, subset_bits=1, deadline_ns=deadline_ns)
            running.triggers += 1
            time.sleep(given.period_ms / 1000)
        plc.process.kill()
        plc.process.communicate()
    acknowledged = running.deliveries["acknowledged"]
    found = {"parts": given.parts, "acknowledged": acknowledged, "deliveries": dict(running.deliveries)}
    ends = running.deliveries["shown"] + running.deliveries["not_delivered"]
    faults = [f"{acknowledged} false acknowledges"] if acknowledged else []
    return found | {"faults": faults + ([] if ends == given.parts else [f"{given.parts - ends} not reported"])}


def run_parts(given: argparse.Namespace, noise: float, *options: str, **settings: Any) -> dict[str, Any]:
    with Cable(noise=noise, seed=given.seed) as cable, product(given.role, cable.a, **settings) as running:
        plc = PlcProcess(given.role, cable.b, given.parts, given.period_ms, given.window_ms, *options)
        summary, rows = plc.finish()
    found = figures(summary, rows, running)
    return found | {"faults": faults_of(found)}


def lost(given: argparse.Namespace) -> dict[str, Any]:
    given.role = "slave"
    return run_parts(given, 0.0, "--lose-every", "2", reply_timeout_ms=15, poll_ms=2)


def noise(given: argparse.Namespace) -> dict[str, Any]:
    settings = {"reply_timeout_ms": 20, "poll_ms": 5} if given.role == "slave" else {}
    return run_parts(given, given.noise, "--timeout-ms", "60", **settings) | {"noise": given.noise}


def unplug(given: argparse.Namespace) -> dict[str, Any]:
    recoveries: list[float] = []
    with Cable() as cable, product(given.role, cable.a) as running:
        plc = PlcProcess(given.role, cable.b, 10**6, given.period_ms, given.window_ms, "--timeout-ms", "60")
        for _ in range(given.times):
            wait_accepted(plc, time.monotonic_ns(), 30)
            cable.unplug()
            time.sleep(0.3)
            cable.plug()
            plugged_ns = time.monotonic_ns()
            seen_ns = wait_accepted(plc, plugged_ns, 30)
            recoveries.append((seen_ns - plugged_ns) / 1e9)
        plc.process.send_signal(signal.SIGTERM)
        summary, rows = plc.finish()
    found = figures(summary, rows, running) | {"times": given.times, "longest_recovery_s": round(max(recoveries), 3)}
    slow = [f"recovered after {max(recoveries):.2f} s"] if max(recoveries) > RECOVER_S else []
    # Parts announced while nobody listened are no triggers of ours.
    return found | {"faults": faults_of(found) + slow}


def wait_accepted(plc: PlcProcess, since_ns: int, limit_s: float) -> int:
    """When the PLC first took a PASS for a part that came after `since_ns`."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        for row in plc.rows()[-20:]:
            if row["accepted"] and row["announced_ns"] > since_ns:
                return int(row["seen_ns"])
        time.sleep(0.02)
    raise SystemExit(f"the PLC took no PASS for {limit_s} s")


def kill(given: argparse.Namespace) -> dict[str, Any]:
    """The longest time from a kill to the last PASS that the PLC still took, and what it took after each restart."""
    longest_s = 0.0
    with Cable() as cable:
        plc = PlcProcess(given.role, cable.b, 10**6, given.period_ms, given.window_ms, "--timeout-ms", "60")
        for _ in range(given.times):
            with product_process(given.role, cable.a) as process:
                wait_accepted(plc, time.monotonic_ns(), 30)
                killed_ns = time.monotonic_ns()
                process.send_signal(signal.SIGKILL)
                process.wait()
            time.sleep(1.0)
            taken = [row["seen_ns"] for row in plc.rows() if row["accepted"] and row["seen_ns"] > killed_ns]
            longest_s = max([longest_s, *((at - killed_ns) / 1e9 for at in taken)])
        plc.process.send_signal(signal.SIGTERM)
        summary, rows = plc.finish()
    found = figures(summary, rows, None) | {"times": given.times, "longest_pass_after_kill_s": round(longest_s, 3)}
    return found | {"faults": faults_of(found) + ([f"a PASS {longest_s} s after a kill"] if longest_s > 0.5 else [])}


def roundtrip(given: argparse.Namespace) -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "runtime" / "plc"))
    from peer_programs import slave_on

    names = tuple(MASTERS)
    spent: dict[str, list[float]] = {name: [] for name in names}
    with Cable() as cable, slave_on(cable.b):
        for turn in range(5):
            for name in names[turn % 3 :] + names[: turn % 3]:
                write, close = MASTERS[name](cable.a)
                for _ in range(given.parts // 5):
                    began = time.perf_counter()
                    write()
                    spent[name].append(1000 * (time.perf_counter() - began))
                close()
    found: dict[str, Any] = {"writes": given.parts // 5 * 5}
    for name, values in spent.items():
        cuts = statistics.quantiles(values, n=100)
        found[name] = {"p50_ms": round(cuts[49], 3), "p99_ms": round(cuts[98], 3)}
    return found | {"faults": []}


def our_master(cable: str) -> Master:
    from radar_edge.runtime.plc import modbus_master, rtu_master
    from radar_edge.runtime.plc.port import open_port

    config = ModbusMasterConfig(driver="modbus-master", port=cable)
    asker = modbus_master.Asker(config, MonotonicClock())
    port = open_port(config, modbus_master.READ_STEP_S)
    return lambda: asker.ask(port, rtu_master.write_holding(1, 10, WRITTEN)), port.close


def pymodbus_master(cable: str) -> Master:
    from pymodbus.client import ModbusSerialClient

    client = ModbusSerialClient(cable, baudrate=115200, timeout=1, retries=0)
    client.connect()
    return lambda: client.write_registers(10, WRITTEN, device_id=1), client.close


def minimalmodbus_master(cable: str) -> Master:
    import minimalmodbus

    instrument = minimalmodbus.Instrument(cable, 1, close_port_after_each_call=False)
    instrument.serial.baudrate = 115200
    return lambda: instrument.write_registers(10, WRITTEN), instrument.serial.close


MASTERS = {"radar-edge": our_master, "pymodbus": pymodbus_master, "minimalmodbus": minimalmodbus_master}
SCENARIOS = {"late": late, "lost": lost, "noise": noise, "unplug": unplug, "kill": kill, "roundtrip": roundtrip}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=[*SCENARIOS, "product"])
    parser.add_argument("--role", choices=list(DRIVERS), default="master", help="of the PLC")
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--period-ms", type=float, default=50)
    parser.add_argument("--window-ms", type=float, default=400)
    parser.add_argument("--noise", type=float, default=0.001, help="share of bytes")
    parser.add_argument("--times", type=int, default=50, help="unplug, kill")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    given = parser.parse_args()
    if given.scenario == "product":
        with product(given.role, given.port):
            print("ready", flush=True)
            signal.pause()
    found = SCENARIOS[given.scenario](given)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    print(json.dumps({"scenario": given.scenario, "role": given.role, **found, **machine}))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
