"""Is a camera well? A pure state machine fed with heartbeats and the time. Knows no process and no policy.

            late 1.5 T, a corrupt or repeated frame           (tolerated_drops + 1.5) T late, black,
      OK <------------------------------------> SUSPECT       saturated, corrupt or frozen for long
      ^                next good frame             |                        |
      |                                            v                        v
      +------ RECOVERING <--------------------- FAILED <--------------------+
 recover_frames good ones in a row      first good frame (FAILED is also the start)

The nominal period T is known, so a plain deadline is right and an adaptive one (phi accrual) would hide a
slowing camera; one tolerated drop makes 2.5 T, because a gap of one lost frame lasts 2 T plus its jitter.
Goals in the terms of Chen, Toueg, Aguilera, "On the quality of service of failure detectors", IEEE
Transactions on Computers 51(5), 2002: detection time and rate of mistakes.
"""

from __future__ import annotations

from radar_edge.clock import NS_PER_S
from radar_edge.config import HealthConfig
from radar_edge.records import Cause, HealthReport, HealthState, Ne107
from radar_edge.runtime.capture.seam import Heartbeat

LATE_PERIODS = 1.5

START_GRACE_NS = 10 * NS_PER_S
"""Without any frame for so long after the start, STARTING becomes DEAD."""

BLACK_MEAN = 1 / 255
"""Below one count of 8 bit on average. Dark parts on black ground lie ten times higher."""

SATURATED_SHARE = 0.9
"""Above this share of pixels at full scale nothing of the part can be seen; white ground alone stays below."""


def period_ns(fps: float) -> int:
    """The nominal frame period T."""
    return round(NS_PER_S / fps)


def ne107(state: HealthState, cause: Cause) -> Ne107:
    """NAMUR NE 107 class. While a camera starts or proves itself its signal is only temporarily not valid."""
    if state is HealthState.RECOVERING or cause is Cause.STARTING:
        return Ne107.FUNCTION_CHECK
    return {
        HealthState.OK: Ne107.GOOD,
        HealthState.SUSPECT: Ne107.OUT_OF_SPEC,
        HealthState.FAILED: Ne107.FAILURE,
    }[state]


class CameraHealth:
    """One camera. `period_ns` is its nominal T; all times are monotonic nanoseconds.

    A black or saturated frame fails the camera at once: such a frame may be judged never. Single corrupt
    or repeated frames are never delivered by the capture and count as drops.
    """

    def __init__(self, camera_id: str, modality: str, period_ns: int, config: HealthConfig, start_ns: int) -> None:
        self._camera_id = camera_id
        self._modality = modality
        self._late_ns = LATE_PERIODS * period_ns
        self._dead_ns = (config.tolerated_drops + LATE_PERIODS) * period_ns
        self._config = config
        self._start_ns = start_ns
        self._last: Heartbeat | None = None
        self._last_image: Heartbeat | None = None
        self._alive_ns = start_ns  # the deadlines count from here: the last stamp, or later after a stall of ours
        self._corrupt = 0
        self._equal = 1
        self._good = 0
        self._state, self._cause, self._since_ns = HealthState.FAILED, Cause.STARTING, start_ns

    def update(self, beat: Heartbeat) -> None:
        """Take the next heartbeat, in order of arrival. One whose stamp does not advance proves no life."""
        cause, lasting = self._fault(beat)
        if cause is not Cause.NONE:
            self._good = 0
            down = lasting or self._state in (HealthState.FAILED, HealthState.RECOVERING)
            self._move(HealthState.FAILED if down else HealthState.SUSPECT, cause, beat.stamp_ns)
        elif self._state in (HealthState.OK, HealthState.SUSPECT):
            self._move(HealthState.OK, Cause.NONE, beat.stamp_ns)
        else:
            in_row = self._last is not None and beat.stamp_ns - self._last.stamp_ns <= self._late_ns
            self._good = self._good + 1 if in_row else 1
            well = self._good >= self._config.recover_frames
            self._move(
                HealthState.OK if well else HealthState.RECOVERING, Cause.NONE if well else self._cause, beat.stamp_ns
            )
        self._last = beat
        self._alive_ns = max(self._alive_ns, beat.stamp_ns)

    def tick(self, now_ns: int, loop_lag_ns: int = 0) -> HealthReport:
        """The state at `now_ns`, after all heartbeats that arrived were given to `update`.

        `loop_lag_ns` is how much later than planned the caller's own loop woke. What stopped us may have
        stopped the camera's process too, so the deadlines are put off by as much.
        """
        if self._last is None:
            if now_ns - self._start_ns > START_GRACE_NS:
                self._move(HealthState.FAILED, Cause.DEAD, now_ns)
            return self._report()
        self._alive_ns = max(self._alive_ns, min(self._last.stamp_ns + loop_lag_ns, now_ns))
        age_ns = now_ns - self._alive_ns
        if age_ns > self._dead_ns:
            self._move(HealthState.FAILED, Cause.DEAD, now_ns)
        elif age_ns > self._late_ns and self._state is HealthState.OK:
            self._move(HealthState.SUSPECT, Cause.LATE, now_ns)
        return self._report()

    def _fault(self, beat: Heartbeat) -> tuple[Cause, bool]:
        """What is wrong with this frame, and whether that has lasted long enough to fail the camera."""
        if not beat.ok:
            self._corrupt += 1
            return Cause.CORRUPT, self._corrupt > self._config.tolerated_drops
        self._corrupt = 0
        if beat.mean < BLACK_MEAN:
            return Cause.BLACK, True
        if beat.clipped > SATURATED_SHARE:
            return Cause.SATURATED, True
        before, self._last_image = self._last_image, beat
        if before is not None and is_repeat(before, beat):
            self._equal += 1
            return Cause.FROZEN, self._equal >= self._config.frozen_frames
        self._equal = 1
        return Cause.NONE, False

    def _move(self, state: HealthState, cause: Cause, at_ns: int) -> None:
        if (state, cause) != (self._state, self._cause):
            self._state, self._cause, self._since_ns = state, cause, at_ns
        if state is HealthState.FAILED:
            self._good = 0

    def _report(self) -> HealthReport:
        return HealthReport(
            self._camera_id,
            self._modality,
            self._state,
            self._cause,
            ne107(self._state, self._cause),
            self._since_ns,
        )


def is_repeat(before: Heartbeat, beat: Heartbeat) -> bool:
    """Whether `beat` is the frame `before` once more: the same id, no newer stamp, or equal pixels.

    Noise makes equal pixels impossible in a living sensor; a driver whose pipeline is dead may hand out its
    last buffer for ever, with success and fresh ids. An id may go back (wrap, restart): that is no repeat.
    """
    same_pixels = beat.content_hash is not None and beat.content_hash == before.content_hash
    return same_pixels or beat.frame_id == before.frame_id or beat.stamp_ns <= before.stamp_ns
