"""The simulated PLC's serial port, as Modbus RTU master or slave, with faults on demand. Built on pymodbus.

Imports nothing of radar_edge.runtime, so that no mistake of ours is made on both ends. Faults are the PLC's own.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Protocol

from radar_edge.errors import MissingPackageError, PortError
from radar_edge.simulation.plc_program import REGISTERS

DRAIN_S = 0.05
"""Silence kept after a failed request, so that its late answer cannot pass for the next one's."""
READ_INPUTS, WRITE_MANY, READ_HOLDING = 4, 16, 3
HOLDING = 5
COMMAND = 3
"""Offset of the command; the product's number follows it."""


class PlcPort(Protocol):
    """What the PLC's program needs of its port."""

    polls: int
    errors: int

    async def open(self) -> None: ...

    async def read_inputs(self) -> list[int] | None:
        """The product's twelve registers as the PLC last got them; None if it has none or the poll failed."""

    async def write_holding(self, values: list[int]) -> bool:
        """Offer the PLC's registers 0 to 2; False if the wire failed."""

    async def write_command(self, command: int, product: int) -> bool:
        """Offer the PLC's registers 3 and 4; False if the wire failed."""

    async def close(self) -> None: ...


def open_plc_port(options: argparse.Namespace) -> PlcPort:
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # failed polls are counted, not told one by one
    return SlavePort(options) if options.role == "slave" else MasterPort(options)


class Damage:
    """Every n-th message is lost or damaged, counted over the whole run."""

    def __init__(self, lose_every: int, damage_every: int) -> None:
        self._lose_every, self._damage_every = lose_every, damage_every
        self.sent = 0

    def __call__(self, sending: bool, data: bytes) -> bytes:
        if not sending or not data:
            return data
        self.sent += 1
        if self._lose_every and self.sent % self._lose_every == 0:
            return b""
        if self._damage_every and self.sent % self._damage_every == 0:
            return data[:-1] + bytes((data[-1] ^ 0x55,))
        return data


class MasterPort:
    """The PLC polls: one request at a time, no retries. Counts polls and errors."""

    def __init__(self, options: argparse.Namespace) -> None:
        try:
            from pymodbus.client import AsyncModbusSerialClient
        except ImportError as error:
            raise MissingPackageError("pymodbus", "sim", "the simulated PLC") from error
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
            trace_packet=Damage(options.lose_every, options.damage_every),
        )
        self.polls = 0
        self.errors = 0

    async def open(self) -> None:
        if not await self._client.connect():
            raise PortError(f"the simulated PLC cannot open {self._port}", next_step="check --port; is it in use?")

    async def read_inputs(self) -> list[int] | None:
        self.polls += 1
        base = self._input_base
        answer = await self._ask(
            self._client.read_input_registers(base, count=REGISTERS, device_id=self._unit), READ_INPUTS
        )
        if answer is None or len(answer.registers) != REGISTERS:
            return None
        return list(answer.registers)

    async def write_holding(self, values: list[int]) -> bool:
        return await self._write(self._holding_base, values)

    async def write_command(self, command: int, product: int) -> bool:
        return await self._write(self._holding_base + COMMAND, [command, product])

    async def _write(self, address: int, values: list[int]) -> bool:
        answer = await self._ask(self._client.write_registers(address, values, device_id=self._unit), WRITE_MANY)
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

    async def close(self) -> None:
        self._client.close()


class SlavePort:
    """The product polls: the PLC keeps both blocks in its holding registers. Counts requests; errors stay 0."""

    def __init__(self, options: argparse.Namespace) -> None:
        try:
            from pymodbus.server import ModbusSerialServer
            from pymodbus.simulator import DataType, SimData, SimDevice
        except ImportError as error:
            raise MissingPackageError("pymodbus", "sim", "the simulated PLC") from error
        self._late_s = options.late_ms / 1000
        self._input_base, self._holding_base = options.input_base, options.holding_base
        self._ours = [0] * HOLDING
        self._theirs: list[int] | None = None
        top = max(self._input_base + REGISTERS, self._holding_base + HOLDING)
        device = SimDevice(
            options.unit, [SimData(0, count=top, values=0, datatype=DataType.REGISTERS)], action=self._serve
        )
        self._port = options.port
        self._server: Any = ModbusSerialServer(
            device,
            port=options.port,
            baudrate=options.baud,
            parity=options.parity,
            stopbits=options.stop_bits,
            ignore_missing_devices=True,
            reconnect_delay=0.1,
            trace_packet=Damage(options.lose_every, options.damage_every),
        )
        self.polls = 0
        self.errors = 0

    async def open(self) -> None:
        try:
            await self._server.serve_forever(background=True)
        except (OSError, RuntimeError) as error:
            raise PortError(f"the simulated PLC cannot open {self._port}", found=str(error)) from error

    async def read_inputs(self) -> list[int] | None:
        return self._theirs

    async def write_holding(self, values: list[int]) -> bool:
        self._ours[: len(values)] = values
        return True

    async def write_command(self, command: int, product: int) -> bool:
        self._ours[COMMAND:HOLDING] = [command, product]
        return True

    async def close(self) -> None:
        await self._server.shutdown()

    async def _serve(
        self, _function: int, start: int, address: int, count: int, registers: list[int], values: Any
    ) -> None:
        """Called by the server before it answers: what was written is taken, what is read is put there."""
        self.polls += 1
        if values is not None and address == self._input_base and count == REGISTERS:
            self._theirs = [int(value) for value in values]
        at = self._holding_base - start
        registers[at : at + HOLDING] = self._ours
        if self._late_s:
            await asyncio.sleep(self._late_s)
