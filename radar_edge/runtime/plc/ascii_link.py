"""The driver `ascii`: lines of text both ways on a serial port. Knows no verdict's making.

A verdict is said again every RESEND_NS until the PLC acknowledges its sequence; never a PASS after its deadline. Our
state, heartbeat included, is said every `beat_ms`: the heartbeat in it moves only when the inspection loop beats.
Delivered is what the PLC acknowledged; a line that was merely sent may have been lost.
"""

from __future__ import annotations

import serial

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import AsciiConfig
from radar_edge.runtime.plc.ascii_codec import MAX_LINE_BYTES, Lines, parse_line, seal_line
from radar_edge.runtime.plc.registers import Input
from radar_edge.runtime.plc.serial_link import SerialLink

STEP_S = 0.005
RESEND_NS = 50 * NS_PER_MS
TELL_AFTER_NS = 1 * NS_PER_S
LEAST_BAD = 3


class AsciiLink(SerialLink[AsciiConfig]):
    """Opens the port at once. Raises PortError if that cannot be done."""

    acknowledge_confirms = True

    def __init__(self, config: AsciiConfig, clock: Clock) -> None:
        self._bad = 0
        self._junk_since_ns: int | None = None
        super().__init__(config, clock, STEP_S)

    def _serve(self, port: serial.Serial) -> None:
        lines = Lines()
        said, said_ns, beat_ns = 0, 0, 0
        while not self._stopping.is_set():
            data = port.read(1)
            data += port.read(port.in_waiting) if data else b""
            now_ns = self._clock.now_ns()
            self._hear(list(lines.feed(data)), len(data), now_ns)
            ours = self._offer(now_ns)
            sequence = ours[Input.SEQUENCE]
            if sequence and (sequence != said or self._is_due_again(sequence, said_ns, now_ns)):
                port.write(seal_line(self._verdict_text(ours), self._config.checksum))
                said, said_ns = sequence, now_ns
            if now_ns - beat_ns >= self._config.beat_ms * NS_PER_MS:
                port.write(seal_line(self._state_text(ours), self._config.checksum))
                beat_ns = now_ns

    def _hear(self, lines: list[bytes], size: int, now_ns: int) -> None:
        for line in lines:
            said = parse_line(line, self._config.checksum)
            if said is None:
                self._bad += bool(line)
                continue
            self._bad, self._junk_since_ns, self._trouble = 0, None, None
            self._take_holding(said.start, said.values, now_ns)
        if self._bad >= LEAST_BAD:
            self._trouble = "the PLC's lines are damaged: check its checksum, baud, parity and stop bits"
        elif size and not lines:
            self._note_junk(now_ns)

    def _note_junk(self, now_ns: int) -> None:
        if self._junk_since_ns is None:
            self._junk_since_ns = now_ns
        elif now_ns - self._junk_since_ns > TELL_AFTER_NS:
            self._trouble = "what arrives are no lines ended by CR: check baud, parity and stop bits"

    def _offer(self, now_ns: int) -> tuple[int, ...]:
        with self._lock:
            return self._exchange.offer(now_ns, now_ns + MAX_LINE_BYTES * self._char_ns)

    def _is_due_again(self, sequence: int, said_ns: int, now_ns: int) -> bool:
        with self._lock:
            return now_ns - said_ns >= RESEND_NS and self._exchange.worth_repeating(sequence, now_ns)

    def _verdict_text(self, ours: tuple[int, ...]) -> str:
        return self._config.verdict.format(
            sequence=ours[Input.SEQUENCE],
            trigger_id=ours[Input.TRIGGER_ID],
            code=ours[Input.CODE],
            reason=ours[Input.REASON],
            subset=ours[Input.SUBSET_BITS],
            score=ours[Input.SCORE],
            status=ours[Input.STATUS],
        )

    def _state_text(self, ours: tuple[int, ...]) -> str:
        health = ours[Input.HEALTH] | ours[Input.HEALTH_2] << 16
        return self._config.state.format(
            heartbeat=ours[Input.HEARTBEAT], status=ours[Input.STATUS], health=f"{health:08X}"
        )
