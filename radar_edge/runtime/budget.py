"""Whether a line's times fit its deadline and the PLC's window: a sum of worst cases. Knows no device.

A trigger waits a poll to be read by us, its frames at most pair_wait_ms, then preprocess and engine, then a poll
until the PLC asks, and the bytes of that exchange. The parts are worst cases, so their sum is an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass

from radar_edge.config import LineConfig, PortConfig
from radar_edge.runtime.plc.registers import HOLDING_COUNT, INPUT_COUNT

REQUEST_BYTES = 8
"""Read registers: unit, function, address, count, CRC (Modbus Application Protocol 1.1b3, 6.4)."""
FRAME_BYTES = 5
"""Around the registers of an answer: unit, function, byte count, CRC."""
WRITE_BYTES = 9
"""Around the registers of a write (function 16): unit, function, address, count, byte count, CRC."""
SILENCE_CHARS = 3.5
FAST_BAUD = 19200
FAST_SILENCE_MS = 1.75
"""Above FAST_BAUD the silence between frames is fixed (MODBUS over Serial Line 1.02, 2.5.1.1)."""


@dataclass(frozen=True)
class Budget:
    """Milliseconds of each stage."""

    trigger_poll_ms: float
    pair_wait_ms: float
    preprocess_ms: float
    engine_p99_ms: float
    verdict_poll_ms: float
    wire_ms: float

    @property
    def judged_ms(self) -> float:
        """From the trigger's receipt to a verdict that is ready to be read."""
        return self.pair_wait_ms + self.preprocess_ms + self.engine_p99_ms

    @property
    def total_ms(self) -> float:
        """From the PLC's trigger to the verdict in the PLC."""
        return self.trigger_poll_ms + self.judged_ms + self.verdict_poll_ms + self.wire_ms


def wire_ms(plc: PortConfig) -> float:
    """One write of the trigger and one read of the verdict, with their answers and the silence after each frame."""
    char_ms = 1000 * (1 + 8 + (plc.parity != "none") + plc.stop_bits) / plc.baud
    silence_ms = FAST_SILENCE_MS if plc.baud > FAST_BAUD else SILENCE_CHARS * char_ms
    write = WRITE_BYTES + 2 * HOLDING_COUNT + REQUEST_BYTES
    read = REQUEST_BYTES + FRAME_BYTES + 2 * INPUT_COUNT
    return (write + read) * char_ms + 4 * silence_ms


def budget(config: LineConfig, poll_ms: float, preprocess_ms: float, engine_p99_ms: float) -> Budget:
    """The line's budget with a PLC that polls every `poll_ms`."""
    return Budget(poll_ms, config.pair_wait_ms, preprocess_ms, engine_p99_ms, poll_ms, wire_ms(config.plc))


def shortfalls(config: LineConfig, sums: Budget, window_ms: float) -> list[str]:
    """What does not fit, a sentence each; empty if the line is fast enough."""
    judged_by_ms = config.deadline_ms - config.wire_margin_ms
    found = []
    if sums.judged_ms > judged_by_ms:
        found.append(
            f"a verdict may take {sums.judged_ms:.1f} ms, deadline_ms - wire_margin_ms leaves {judged_by_ms:.1f} ms"
        )
    if sums.total_ms > window_ms:
        found.append(f"trigger to verdict may take {sums.total_ms:.1f} ms, the PLC's window is {window_ms:.1f} ms")
    safe_ms = config.deadline_ms + 2 * sums.verdict_poll_ms
    if window_ms < safe_ms:
        found.append(
            f"the PLC's window of {window_ms:.1f} ms is below deadline_ms and two polls ({safe_ms:.1f} ms):"
            " a NO_DECISION would come too late"
        )
    return found
