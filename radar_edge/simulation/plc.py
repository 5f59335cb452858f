"""A simulated PLC in a process of its own: Modbus RTU master, trigger source and judge of what it reads.

    python -m radar_edge.simulation.plc --port P --parts N --period-ms 200 --window-ms 400 --out plc.jsonl

It talks through pymodbus and imports nothing of radar_edge.runtime, so that no mistake of ours is made on both ends.
It waits for READY, announces parts on a fixed period, polls about every 10 ms, and writes one JSON line a part;
the last line on stdout is the summary (PlcProgram.summary, polls, poll_errors, seconds).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TextIO

from radar_edge.errors import MachineError, MissingPackageError, PortError, RadarEdgeError, StorageError
from radar_edge.simulation.plc_program import NS_PER_MS, REGISTERS, PlcProgram

POLL_S = 0.010
BEAT_NS = 100 * NS_PER_MS
DRAIN_S = 0.05
"""Silence kept after a failed request, so that its late answer cannot pass for the next one's."""
LAST_WRITE_S = 1.0
READ_INPUTS, WRITE_MANY = 4, 16


class Master:
    """The PLC's serial port: one request at a time, no retries. Counts polls and errors."""

    def __init__(self, options: argparse.Namespace) -> None:
        try:
            from pymodbus.client import AsyncModbusSerialClient
        except ImportError as error:
            raise MissingPackageError("pymodbus", "sim", "the simulated PLC") from error
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # failed polls are counted, not told one by one
        self._unit, self._port = options.unit, options.port
        self._input_base, self._holding_base = options.input_base, options.holding_base
        self._client: Any = AsyncModbusSerialClient(
            options.port,
            baudrate=options.baud,
            parity=options.parity,
            stopbits=options.stop_bits,
            timeout=options.timeout_ms / 1000,
            retries=0,
            reconnect_delay=0.1,
            reconnect_delay_max=1.0,
        )
        self.polls = 0
        self.errors = 0

    async def open(self) -> None:
        if not await self._client.connect():
            raise PortError(f"the simulated PLC cannot open {self._port}", next_step="check --port; is it in use?")

    async def read_inputs(self) -> list[int] | None:
        """The input block; None if the poll failed."""
        self.polls += 1
        base = self._input_base
        answer = await self._ask(
            self._client.read_input_registers(base, count=REGISTERS, device_id=self._unit), READ_INPUTS
        )
        if answer is None or len(answer.registers) != REGISTERS:
            return None
        return list(answer.registers)

    async def write_holding(self, values: list[int]) -> bool:
        base = self._holding_base
        answer = await self._ask(self._client.write_registers(base, values, device_id=self._unit), WRITE_MANY)
        return answer is not None

    async def _ask(self, request: Awaitable[Any], function: int) -> Any:
        from pymodbus.exceptions import ModbusException

        try:
            answer = await request
        except ModbusException:
            answer = None
        if answer is None or answer.isError() or answer.function_code != function:
            self.errors += 1
            await asyncio.sleep(DRAIN_S)
            return None
        return answer

    def close(self) -> None:
        self._client.close()


class Plc:
    """The PLC's cycle: parts come on a fixed period, whatever the wire does; poll; write what changed."""

    def __init__(self, options: argparse.Namespace, master: Master, out: TextIO) -> None:
        self._master = master
        self._out = out
        self._program = PlcProgram(round(options.window_ms * NS_PER_MS))
        self._parts: int = options.parts
        self._start_id: int = options.start_id
        self._port: str = options.port
        self._ready_timeout_s: float = options.ready_timeout_s
        self._period_s: float = options.period_ms / 1000
        self._announced = 0
        self._unwritten: deque[int] = deque()
        self._written: list[int] = []
        self._wake = asyncio.Event()
        self.stopping = asyncio.Event()

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
        counts = {"polls": self._master.polls, "poll_errors": self._master.errors}
        return {**self._program.summary(), **counts, "seconds": round(time.monotonic() - began_s, 3)}

    async def _wait_ready(self) -> None:
        until_s = time.monotonic() + self._ready_timeout_s
        while not self.stopping.is_set() and (not self._program.ready or self._program.stopped):
            if time.monotonic() > until_s:
                raise MachineError(
                    f"nothing on {self._port} became READY within {self._ready_timeout_s:g} s",
                    found=f"{self._master.errors} of {self._master.polls} polls failed",
                    next_step="start the line first, or raise --ready-timeout-s",
                )
            await self._cycle()
            await asyncio.sleep(POLL_S)

    async def _move_belt(self, began_s: float) -> None:
        for number in range(self._parts):
            await asyncio.sleep(max(began_s + number * self._period_s - time.monotonic(), 0.0))
            trigger_id = (self._start_id - 1 + number) % 65535 + 1  # ids wrap 65535 -> 1
            self._program.announce(trigger_id, time.monotonic_ns())
            self._unwritten.append(trigger_id)
            self._announced += 1
            self._wake.set()

    def _done(self) -> bool:
        return self._announced == self._parts and self._program.open_parts == 0

    async def _pause(self) -> None:
        """Until the next poll, or until a part comes: its id is written at once."""
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_S)
        except asyncio.TimeoutError:
            return
        self._wake.clear()
        await self._write_changes()

    async def _cycle(self) -> None:
        registers = await self._master.read_inputs()
        now_ns = time.monotonic_ns()
        if registers is None:
            self._program.scan(now_ns)
        else:
            self._program.read(registers, now_ns)
        self._record()
        await self._write_changes()

    async def _write_changes(self) -> bool:
        """Each id in turn while its part is open, then the state as it is. False if the wire failed."""
        while self._unwritten:
            if self._program.is_open(self._unwritten[0]) and not await self._write(self._unwritten[0]):
                return False
            self._unwritten.popleft()
        return await self._write(self._program.trigger_id)

    async def _write(self, trigger_id: int) -> bool:
        beat = time.monotonic_ns() // BEAT_NS % 65535 + 1
        values = [trigger_id, self._program.acknowledged, beat]
        if values != self._written and await self._master.write_holding(values):
            self._written = values
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
    add("--ready-timeout-s", type=float, default=60.0, help="how long to wait for READY")
    return options


async def simulate(options: argparse.Namespace) -> dict[str, Any]:
    """Run the PLC; SIGTERM and SIGINT end it early, with its summary."""
    master = Master(options)
    try:
        out = options.out.open("w")
    except OSError as error:
        raise StorageError(f"cannot write {options.out}", found=error.strerror) from error
    with out:
        await master.open()
        try:
            plc = Plc(options, master, out)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, plc.stopping.set)
            return await plc.run()
        finally:
            master.close()


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
