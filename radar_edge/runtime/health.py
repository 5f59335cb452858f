"""Is a camera well? A pure state machine fed with heartbeats and the time. Knows no process and no policy.

            late 1.5 T, a corrupt or repeated frame           (tolerated_drops + 1.5) T late, black,
      OK <------------------------------------> SUSPECT       saturated, or a fault for long
      ^  \\             next good frame             |                        |
      |   \\                                        v                        v
      |    +--- shutter ---> RECOVERING           FAILED <------------------+
      +------ RECOVERING <--------------------- FAILED
 recover_frames good ones in a row      first good frame (FAILED is also the start)

A thermal camera's shutter event (CALIBRATING) is a function check: its frames are not used meanwhile, and the first
good one afterwards is used again. A low rate and fouling only tell: the frames are good.

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
from radar_edge.runtime.drift import Cusum, RateWatch
from radar_edge.runtime.frame_faults import Expected, FrameFaults

LATE_PERIODS = 1.5

START_GRACE_NS = 10 * NS_PER_S
"""Without any frame for so long after the start, STARTING becomes DEAD."""


def period_ns(fps: float) -> int:
    """The nominal frame period T."""
    return round(NS_PER_S / fps)


def ne107(state: HealthState, cause: Cause) -> Ne107:
    """NAMUR NE 107 class. While a camera starts, calibrates or proves itself its signal is only not valid for now."""
    if state is HealthState.RECOVERING or cause is Cause.STARTING:
        return Ne107.FUNCTION_CHECK
    if cause is Cause.FOULED:
        return Ne107.MAINTENANCE
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

    def __init__(
        self,
        camera_id: str,
        modality: str,
        period_ns: int,
        config: HealthConfig,
        start_ns: int,
        expected: Expected | None = None,
    ) -> None:
        self._camera_id = camera_id
        self._modality = modality
        self._late_ns = LATE_PERIODS * period_ns
        self._dead_ns = (config.tolerated_drops + LATE_PERIODS) * period_ns
        self._config = config
        self._start_ns = start_ns
        self._last: Heartbeat | None = None
        self._alive_ns = start_ns  # the deadlines count from here: the last stamp, or later after a stall of ours
        known = expected or Expected()
        self._ffc_max_ns = known.ffc_max_ns
        self._faults = FrameFaults(config, known)
        self._rate = RateWatch(period_ns)
        self._sharpness = Cusum()
        self._good = 0
        self._state, self._cause, self._since_ns = HealthState.FAILED, Cause.STARTING, start_ns

    def update(self, beat: Heartbeat) -> bool:
        """Take the next heartbeat, in order of arrival; whether its own frame may be judged.

        The camera may be well again by the time that a frame is judged, which makes a bad frame no better. One whose
        stamp does not advance proves no life.
        """
        fault = self._faults.look(beat)
        if fault.cause is Cause.CALIBRATING:
            self._calibrate(beat)
        elif fault.cause is not Cause.NONE:
            self._good = 0
            down = fault.lasting or self._state in (HealthState.FAILED, HealthState.RECOVERING)
            self._move(HealthState.FAILED if down else HealthState.SUSPECT, fault.cause, beat.stamp_ns)
        elif self._state in (HealthState.OK, HealthState.SUSPECT) or self._cause is Cause.CALIBRATING:
            self._well(beat)
        else:
            in_row = self._last is not None and beat.stamp_ns - self._last.stamp_ns <= self._late_ns
            self._good = self._good + 1 if in_row else 1
            if self._good >= self._config.recover_frames:
                self._rate.forget()
                self._well(beat)
            else:
                self._move(HealthState.RECOVERING, self._cause, beat.stamp_ns)
        self._last = beat
        self._alive_ns = max(self._alive_ns, beat.stamp_ns)
        return fault.cause is Cause.NONE

    def _calibrate(self, beat: Heartbeat) -> None:
        """A camera that was well is in function check; one that was not is not better for its shutter."""
        if self._state in (HealthState.OK, HealthState.SUSPECT):
            self._move(HealthState.RECOVERING, Cause.CALIBRATING, beat.stamp_ns)
        self._rate.forget()

    def _well(self, beat: Heartbeat) -> None:
        """A good frame of a working camera, and what is still worth telling of it."""
        self._rate.add(beat.stamp_ns)
        if beat.sharpness is not None:
            self._sharpness.add(beat.sharpness)
        if self._rate.low:
            self._move(HealthState.SUSPECT, Cause.RATE_LOW, beat.stamp_ns)
        else:
            self._move(HealthState.OK, Cause.FOULED if self._sharpness.alarm else Cause.NONE, beat.stamp_ns)

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
        # Some cameras repeat their last frame while the shutter is closed, some give none.
        patience_ns = self._ffc_max_ns if self._cause is Cause.CALIBRATING else 0
        if age_ns > max(self._dead_ns, patience_ns):
            self._move(HealthState.FAILED, Cause.DEAD, now_ns)
        elif age_ns > self._late_ns and self._state is HealthState.OK:
            self._move(HealthState.SUSPECT, Cause.LATE, now_ns)
        return self._report()

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
