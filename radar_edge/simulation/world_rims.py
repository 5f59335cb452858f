"""The rims of a simulated line: cameras, engines and the PLC's wire, in simulated time. Knows no line.

The engines tell what they saw: a score carries the number of the part that the images show (`score_of`), so that a
verdict made from another part's image can be found afterwards, from the journal alone.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pymodbus.framer import FramerRTU

from radar_edge.clock import NS_PER_MS, Clock
from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.modality import Subset
from radar_edge.records import Frame, Image
from radar_edge.runtime.capture.seam import CameraSet, FrameKind, Heartbeat
from radar_edge.simulation.mishaps import Mishaps
from radar_edge.simulation.plc_program import REGISTERS, PlcProgram

SIDE = 16
PERIOD_NS = 20 * NS_PER_MS
JITTER_NS = PERIOD_NS // 16
BEAT_NS = 100 * NS_PER_MS
ANNOUNCE_NS = 40 * NS_PER_MS
"""The PLC tells of a part no later than this after it came into view."""
NUMBERS = 4096
"""Part numbers in images and scores count from 1 to this and begin again."""
GOOD, BAD = -1.0, 2.0
NOTHING, MIXED = -3.0, -2.0
"""Scores of images without a part, and of two images that show different parts. Both would PASS."""
WELL = FrameKind(SIDE, SIDE, 0, 16)


def number_of(serial: int) -> int:
    """The number that the images of the part `serial` show; 0 is none."""
    return serial % NUMBERS + 1


def score_of(number: int, *, bad: bool) -> float:
    """Exact in float32."""
    return (BAD if bad else GOOD) + number / (2 * NUMBERS)


class WorldEngine(Runner):
    """Reads the part's number off its images. `on_run` is called for the time that it takes; it may raise."""

    def __init__(self, subset: Subset, is_bad: Callable[[int], bool], on_run: Callable[[], bool]) -> None:
        super().__init__(subset, "fp32", dict.fromkeys(subset, (1, 1, SIDE, SIDE)))
        self._is_bad = is_bad
        self._on_run = on_run

    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        finite = self._on_run()
        numbers = {int(array[0, 0, 0, 0]) for array in inputs.values()}
        if len(numbers) > 1:
            logit = MIXED
        elif numbers == {0}:
            logit = NOTHING
        else:
            (number,) = numbers
            logit = score_of(number, bad=self._is_bad(number))
        anomaly_map = np.full((1, 1, SIDE, SIDE), logit if finite else np.nan, np.float32)
        count = len(self.subset)
        return Inference(anomaly_map, np.full((1, count, 2, 2), 1 / count, np.float32) if count > 1 else None)

    def close(self) -> None:
        """Nothing is held."""


class WorldCamera:
    """One camera and what its process would report, period by period."""

    def __init__(self, modality: str, view: Callable[[int], int], mishaps: Mishaps, chance: random.Random) -> None:
        """`view`: the number of the part that was in front of the camera at a time, 0 without one."""
        self._modality = modality
        self._view = view
        self._mishaps = mishaps
        self._random = chance
        self._camera_id = f"{modality}-camera"
        self._frame_id = 0
        self._due_ns = 0
        self._device_offset_ns = 0
        self._pending = 0
        self._hash = 0
        self._old: dict[int, Frame] = {}

    def ask(self, trigger_id: int) -> None:
        self._pending = trigger_id

    def report(self, now_ns: int) -> list[tuple[int, Heartbeat | Frame]]:
        """What it sent until `now_ns`, each with the time of its arrival."""
        sent: list[tuple[int, Heartbeat | Frame]] = []
        self._due_ns = self._due_ns or now_ns
        while self._due_ns <= now_ns:
            stamp_ns = self._due_ns + self._random.randrange(JITTER_NS)
            self._due_ns += PERIOD_NS
            if self._on("dead", stamp_ns):
                self._pending = 0
            elif not self._on("drop", stamp_ns):
                sent += self._period(stamp_ns)
        return sent

    def _on(self, name: str, now_ns: int) -> bool:
        return self._mishaps.on(f"{self._modality}:{name}", now_ns)

    def _period(self, stamp_ns: int) -> list[tuple[int, Heartbeat | Frame]]:
        self._frame_id = self._frame_id % 65535 + 1
        arrives_ns = stamp_ns + (60 * NS_PER_MS if self._on("delay", stamp_ns) else 0)
        fresh = not self._on("frozen", stamp_ns)
        self._hash += fresh
        if self._on("clock_jump", stamp_ns):
            self._device_offset_ns += 500 * NS_PER_MS
        items: list[Heartbeat | Frame] = [self._heartbeat(stamp_ns)]
        if self._pending and fresh and not self._on("stall", stamp_ns):
            if not self._on("corrupt", stamp_ns):
                frame = self._frame(stamp_ns)
                items.append(frame)
                echo = self._old.get(frame.trigger_id)
                if echo is not None and self._on("echo", stamp_ns):
                    items.insert(1, echo)
                self._old[frame.trigger_id] = frame
            self._pending = 0
        return [(arrives_ns, item) for item in items]

    def _heartbeat(self, stamp_ns: int) -> Heartbeat:
        mean, clipped = (0.0, 0.0) if self._on("black", stamp_ns) else (0.5, 0.0)
        if self._on("saturated", stamp_ns):
            mean, clipped = 1.0, 1.0
        kind = FrameKind(SIDE, SIDE, 0, 8) if self._on("wrong_kind", stamp_ns) else WELL
        return Heartbeat(
            self._camera_id,
            self._frame_id,
            stamp_ns,
            self._hash,
            mean,
            clipped,
            not self._on("corrupt", stamp_ns),
            kind=kind,
            device_ns=stamp_ns + self._device_offset_ns,
            shutter=self._on("shutter", stamp_ns),
        )

    def _frame(self, stamp_ns: int) -> Frame:
        blind = any(self._on(name, stamp_ns) for name in ("black", "saturated", "shutter"))
        number = 0 if blind else self._view(stamp_ns)
        image: Image = np.full((SIDE, SIDE), number, np.uint16)
        if self._on("wrong_kind", stamp_ns):
            image = np.zeros((SIDE, SIDE), np.uint8)
        return Frame(self._modality, image, self._camera_id, self._frame_id, stamp_ns, self._pending)


class WorldCameras(CameraSet):
    """All cameras; frames arrive in the order of their arrival times."""

    def __init__(self, cameras: Mapping[str, WorldCamera], clock: Clock) -> None:
        """`cameras` by modality."""
        self._cameras = cameras
        self._clock = clock
        self._under_way: list[tuple[int, int, Heartbeat | Frame]] = []
        self._count = 0

    def trigger(self, trigger_id: int) -> None:
        for camera in self._cameras.values():
            camera.ask(trigger_id)

    def receive(self, timeout_s: float) -> list[Heartbeat | Frame]:  # noqa: ARG002 - the world moves the time
        now_ns = self._clock.now_ns()
        for camera in self._cameras.values():
            for arrives_ns, item in camera.report(now_ns):
                self._count += 1
                heapq.heappush(self._under_way, (arrives_ns, self._count, item))
        arrived = []
        while self._under_way and self._under_way[0][0] <= now_ns:
            arrived.append(heapq.heappop(self._under_way)[2])
        return arrived

    def supervise(self, now_ns: int) -> None:
        """A dead camera comes back by itself."""

    @property
    def restarts(self) -> dict[str, int]:
        return {}

    @property
    def pids(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """Nothing is held."""


class WirePlc:
    """A PLC that polls as a Modbus RTU master, byte by byte; the product's codec is not used."""

    def __init__(
        self, program: Callable[[PlcProgram | None], PlcProgram], mishaps: Mishaps, chance: random.Random
    ) -> None:
        """`program` makes the program of a PLC that has just started, given the one that ran before."""
        self._new_program = program
        self._mishaps = mishaps
        self._random = chance
        self.programs = [program(None)]
        self._unwritten: list[tuple[int, int]] = []  # (trigger id, when it came into view)
        self._written: list[int] = []
        self._given_up = 0
        self._polls = 0

    @property
    def program(self) -> PlcProgram:
        return self.programs[-1]

    def announce(self, trigger_id: int, now_ns: int) -> None:
        self.program.announce(trigger_id, now_ns)
        self._unwritten.append((trigger_id, now_ns))

    def restart(self, now_ns: int) -> None:
        """It forgets the parts on the belt; its gate rejects them."""
        self.program.forget(now_ns)
        self.programs.append(self._new_program(self.program))
        self._unwritten, self._written = [], []

    def cycle(self, ask: Callable[[bytes, int], bytes], now_ns: int, byte_ns: int) -> None:
        """`ask` carries a request to the product, `now_ns` being when its last byte arrives, and brings the reply."""
        if self._mishaps.on("plc_silent", now_ns):
            self.program.scan(now_ns)
            return
        if self._mishaps.on("plc_restart", now_ns):
            self.restart(now_ns)
        self._write(ask, now_ns)
        self._polls += 1
        if self._polls % 2:
            reply = self._carried(ask, request(4, (0, REGISTERS)), now_ns)
            at_ns = now_ns + len(reply) * byte_ns
            registers = registers_in(reply)
            if registers is None:
                self.program.scan(at_ns)
            else:
                self.program.read(registers, at_ns)

    def _write(self, ask: Callable[[bytes, int], bytes], now_ns: int) -> None:
        program = self.program
        while self._unwritten and now_ns - self._unwritten[0][1] > ANNOUNCE_NS:
            # It would be out of view by the time that it is judged: rejected without a word.
            self._given_up = self._unwritten.pop(0)[0]
        trigger_id = self._unwritten[0][0] if self._unwritten else program.trigger_id
        if trigger_id == self._given_up:
            trigger_id = 0
        stale = self._mishaps.on("stale_acknowledge", now_ns)
        acknowledged = program.acknowledged_before if stale else program.acknowledged
        values = [trigger_id, acknowledged, now_ns // BEAT_NS % 65535 + 1]
        if values == self._written:
            return
        reply = self._carried(ask, request(16, (0, 3), values), now_ns)
        if is_whole(reply) and reply[1] == 16:
            self._written = values
            program.told(trigger_id, now_ns)
            if self._unwritten and trigger_id == self._unwritten[0][0]:
                self._unwritten.pop(0)

    def _carried(self, ask: Callable[[bytes, int], bytes], data: bytes, now_ns: int) -> bytes:
        if self._mishaps.on("request_lost", now_ns):
            return b""
        if self._mishaps.on("request_damaged", now_ns):
            data = self._damaged(data)
        reply = ask(data, now_ns)
        if self._mishaps.on("reply_lost", now_ns):
            return b""
        return self._damaged(reply) if self._mishaps.on("reply_damaged", now_ns) else reply

    def _damaged(self, data: bytes) -> bytes:
        """One bit flipped, a byte lost, or one brought along."""
        if not data:
            return data
        at = self._random.randrange(len(data))
        return self._random.choice(
            (
                data[:at] + bytes((data[at] ^ 1 << self._random.randrange(8),)) + data[at + 1 :],
                data[:at] + data[at + 1 :],
                data[:at] + bytes((self._random.randrange(256),)) + data[at:],
            )
        )


def request(function: int, numbers: Sequence[int], values: Sequence[int] = ()) -> bytes:
    """A Modbus RTU request of unit 1: address and count, and for a write the registers."""
    body = bytes((1, function)) + b"".join(number.to_bytes(2, "big") for number in numbers)
    if values:
        body += bytes((2 * len(values),)) + b"".join(value.to_bytes(2, "big") for value in values)
    return body + crc(body)


def is_whole(reply: bytes) -> bool:
    return len(reply) > 4 and crc(reply[:-2]) == reply[-2:]


def crc(body: bytes) -> bytes:
    """As it goes over the wire."""
    number: int = FramerRTU.compute_CRC(body)
    return number.to_bytes(2, "big")


def registers_in(reply: bytes) -> list[int] | None:
    """The product's registers; None unless the reply is whole and of the right kind."""
    if not is_whole(reply) or reply[1] != 4 or reply[2] != 2 * REGISTERS:
        return None
    return [int.from_bytes(reply[at : at + 2], "big") for at in range(3, 3 + 2 * REGISTERS, 2)]
