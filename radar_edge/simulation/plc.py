"""A simulated PLC in a process of its own: Modbus RTU master or slave, trigger source and judge of what it reads.

    python -m radar_edge.simulation.plc --port P --parts N --period-ms 200 --window-ms 400 --out plc.jsonl

It talks through pymodbus and imports nothing of radar_edge.runtime, so that no mistake of ours is made on both ends.
It waits for READY, announces parts on a fixed period, looks about every 10 ms, and writes one JSON line a part;
the last line on stdout is the summary (PlcProgram.summary, polls,
poll_errors, commands, seconds). Faults: late, lost and damaged replies, acknowledges of the verdict before, a restart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, TextIO

from radar_edge.errors import MachineError, RadarEdgeError, StorageError
from radar_edge.simulation.plc_ports import PlcPort, open_plc_port
from radar_edge.simulation.plc_program import NS_PER_MS, PlcProgram

POLL_S = 0.010
BEAT_NS = 100 * NS_PER_MS
LAST_WRITE_S = 1.0


class Plc:
    """The PLC's cycle: parts come on a fixed period, whatever the wire does; poll; write what changed."""

    def __init__(self, options: argparse.Namespace, port: PlcPort, out: TextIO) -> None:
        self._wire = port
        self._out = out
        self._options = options
        self._program = self._new_program(None)
        self._before: list[PlcProgram] = []
        self._parts: int = options.parts
        self._start_id: int = options.start_id
        self._port: str = options.port
        self._ready_timeout_s: float = options.ready_timeout_s
        self._period_s: float = options.period_ms / 1000
        self._announced = 0
        self._unwritten: deque[int] = deque()
        self._written: list[int] = []
        self._commands: list[tuple[int, int, int]] = sorted(options.command)
        self._unsaid: deque[tuple[int, int]] = deque()
        self._said: list[dict[str, int]] = []
        self._due_commands(0)
        self._wake = asyncio.Event()
        self.stopping = asyncio.Event()

    def _new_program(self, former: PlcProgram | None) -> PlcProgram:
        window_ns, gate_ns = (round(ms * NS_PER_MS) for ms in (self._options.window_ms, self._options.gate_ms))
        return PlcProgram(window_ns, max(gate_ns, window_ns), former)

    def _restart(self) -> None:
        """The PLC goes down and comes up: parts on the belt are forgotten, and its gate rejects them."""
        self._program.forget(time.monotonic_ns())
        self._record()
        self._before.append(self._program)
        self._program = self._new_program(self._program)

    async def run(self) -> dict[str, Any]:
        """The whole run. Raises MachineError if the product is not READY in time."""
        await self._wait_ready()
        began_s = time.monotonic()
        belt = asyncio.create_task(self._move_belt(began_s))
        while not self.stopping.is_set() and not self._done():
            await self._cycle()
            await self._pause()
        belt.cancel()
        await self._last_write()
        counts: dict[str, Any] = {"polls": self._wire.polls, "poll_errors": self._wire.errors}
        programs = [*self._before, self._program]
        summary = {name: sum(p.summary()[name] for p in programs) for name in self._program.summary()}
        counts["commands"] = self._said
        return {**summary, **counts, "seconds": round(time.monotonic() - began_s, 3)}

    async def _wait_ready(self) -> None:
        until_s = time.monotonic() + self._ready_timeout_s
        while not self.stopping.is_set() and (not self._program.ready or self._program.stopped):
            if time.monotonic() > until_s:
                raise MachineError(
                    f"nothing on {self._port} became READY within {self._ready_timeout_s:g} s",
                    found=f"{self._wire.errors} of {self._wire.polls} polls failed",
                    next_step="start the line first, or raise --ready-timeout-s",
                )
            await self._cycle()
            await asyncio.sleep(POLL_S)

    async def _move_belt(self, began_s: float) -> None:
        for number in range(self._parts):
            await asyncio.sleep(max(began_s + number * self._period_s - time.monotonic(), 0.0))
            if number and number == self._options.restart_after:
                self._restart()
            self._due_commands(number)
            trigger_id = (self._start_id - 1 + number) % 65535 + 1  # ids wrap 65535 -> 1
            self._program.announce(trigger_id, time.monotonic_ns())
            self._unwritten.append(trigger_id)
            self._announced += 1
            self._wake.set()

    def _due_commands(self, announced: int) -> None:
        """The operator changes over, or resets, once so many parts are announced."""
        while self._commands and self._commands[0][0] <= announced:
            _, command, product = self._commands.pop(0)
            self._unsaid.append((command, product))

    def _done(self) -> bool:
        return self._announced == self._parts and self._program.open_parts + self._program.on_belt == 0

    async def _pause(self) -> None:
        """Until the next poll, or until a part comes: its id is written at once."""
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_S)
        except asyncio.TimeoutError:
            return
        self._wake.clear()
        await self._write_changes()

    async def _cycle(self) -> None:
        registers = await self._wire.read_inputs()
        now_ns = time.monotonic_ns()
        if registers is None:
            self._program.scan(now_ns)
        else:
            self._program.read(registers, now_ns)
        self._record()
        await self._write_changes()

    async def _write_changes(self) -> bool:
        """Commands, each id in turn while its part is open, then the state as it is. False if the wire failed."""
        while self._unsaid:
            command, product = self._unsaid[0]
            if not await self._wire.write_command(command, product):
                return False
            self._unsaid.popleft()
            self._said.append({"command": command, "product": product, "told_ns": time.monotonic_ns()})
        while self._unwritten:
            if self._program.is_open(self._unwritten[0]) and not await self._write(self._unwritten[0]):
                return False
            self._unwritten.popleft()
        return await self._write(self._program.trigger_id)

    async def _write(self, trigger_id: int) -> bool:
        beat = time.monotonic_ns() // BEAT_NS % 65535 + 1
        acknowledged = self._program.acknowledged_before if self._options.stale_ack else self._program.acknowledged
        values = [trigger_id, acknowledged, beat]
        if values != self._written and await self._wire.write_holding(values):
            self._written = values
            self._program.told(trigger_id, time.monotonic_ns())
        return values == self._written

    async def _last_write(self) -> None:
        """The last acknowledge should arrive too."""
        until_s = time.monotonic() + LAST_WRITE_S
        while not await self._write_changes() and time.monotonic() < until_s:
            await asyncio.sleep(POLL_S)

    def _record(self) -> None:
        for part in self._program.take_settled():
            self._out.write(json.dumps(part.row()) + "\n")
            self._out.flush()


def trigger_id(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("a trigger id lies between 1 and 65535")
    return number


def command_at(text: str) -> tuple[int, int, int]:
    """PARTS:COMMAND:PRODUCT as numbers."""
    numbers = tuple(int(word) for word in text.split(":"))
    if len(numbers) != 3 or not all(0 <= number <= 65535 for number in numbers):
        raise argparse.ArgumentTypeError("a command is PARTS:COMMAND:PRODUCT, such as 0:2:1")
    return numbers[0], numbers[1], numbers[2]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="radar_edge.simulation.plc", description=(__doc__ or "").splitlines()[0])
    add = options.add_argument
    add("--port", required=True, help="serial device")
    add("--parts", type=int, required=True, help="how many parts to announce")
    add("--period-ms", type=float, default=200.0, help="between two parts")
    add("--window-ms", type=float, default=400.0, help="a verdict read later than this after the part rejects it")
    add("--start-id", type=trigger_id, default=1, help="first trigger id")
    add("--out", type=Path, required=True, help="one JSON line a part")
    add("--baud", type=int, default=115200)
    add("--parity", choices=["N", "E", "O"], default="N")
    add("--stop-bits", type=int, choices=[1, 2], default=1)
    add("--unit", type=int, default=1, help="slave address of the product")
    add("--input-base", type=int, default=0)
    add("--holding-base", type=int, default=0)
    add("--timeout-ms", type=float, default=150.0, help="of one request")
    add("--role", choices=["master", "slave"], default="master", help="who asks: the PLC, or the product")
    add("--gate-ms", type=float, default=0.0, help="belt time from the trigger to the reject gate; at least the window")
    add("--late-ms", type=float, default=0.0, help="fault, slave: each reply leaves so late")
    add("--lose-every", type=int, default=0, help="fault: each n-th message of the PLC is lost")
    add("--damage-every", type=int, default=0, help="fault: each n-th message of the PLC is damaged")
    add("--stale-ack", action="store_true", help="fault: the PLC acknowledges the verdict before")
    add("--restart-after", type=int, default=0, help="fault: the PLC restarts after so many parts")
    add(
        "--command",
        type=command_at,
        action="append",
        default=[],
        help="PARTS:COMMAND:PRODUCT: after so many parts write this command (1 reset, 2 select) and product number",
    )
    add("--ready-timeout-s", type=float, default=60.0, help="how long to wait for READY")
    return options


async def simulate(options: argparse.Namespace) -> dict[str, Any]:
    """Run the PLC; SIGTERM and SIGINT end it early, with its summary."""
    port = open_plc_port(options)
    try:
        out = options.out.open("w")
    except OSError as error:
        raise StorageError(f"cannot write {options.out}", found=error.strerror) from error
    with out:
        await port.open()
        try:
            plc = Plc(options, port, out)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, plc.stopping.set)
            return await plc.run()
        finally:
            await port.close()


def main() -> int:
    """Exit codes: 0; 3 the port, a package, or no READY."""
    options = parser().parse_args()
    try:
        summary = asyncio.run(simulate(options))
    except RadarEdgeError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(summary, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
