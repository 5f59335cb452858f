"""The camera health state machine: what fails a camera, how fast, what brings it back, and no false alarm."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.clock import NS_PER_MS, NS_PER_S
from radar_edge.config import Band, HealthConfig
from radar_edge.records import Cause, HealthReport, HealthState, Ne107
from radar_edge.runtime.capture.seam import FrameKind, Heartbeat
from radar_edge.runtime.frame_faults import Expected, is_repeat
from radar_edge.runtime.health import START_GRACE_NS, CameraHealth, period_ns

T = period_ns(25)
POLL_NS = T // 4
CONFIG = HealthConfig()
CONFIG_JUMP_NS = round(CONFIG.clock_jump_ms * NS_PER_MS)


def beat(number: int, stamp_ns: int, **changes: object) -> Heartbeat:
    good = Heartbeat("cam", (number - 1) % 65535 + 1, stamp_ns, number * 2654435761 % 2**32, 0.4, 0.0, True)
    return replace(good, **changes)


class Line:
    """A camera's health and the time: frames come every T and the state is asked for at once."""

    def __init__(self, config: HealthConfig = CONFIG, expected: Expected | None = None) -> None:
        self.health = CameraHealth("cam", "tir", T, config, 0, expected)
        self.now_ns = 0
        self.number = 0
        self.last_ns = 0

    def frame(self, wait_ns: int = T, **changes: object) -> HealthReport:
        self.now_ns += wait_ns
        self.number += 1
        self.health.update(beat(self.number, self.now_ns, **changes))
        return self.health.tick(self.now_ns)

    def frames(self, count: int, **changes: object) -> HealthReport:
        return [self.frame(**changes) for _ in range(count)][-1]

    def silence(self, wait_ns: float, lag_ns: int = 0) -> HealthReport:
        self.now_ns += round(wait_ns)
        return self.health.tick(self.now_ns, lag_ns)


def running(config: HealthConfig = CONFIG, expected: Expected | None = None, **changes: object) -> Line:
    line = Line(config, expected)
    assert line.frames(config.recover_frames, **changes).state is HealthState.OK
    return line


def summary(report: HealthReport) -> tuple[HealthState, Cause, Ne107, bool]:
    return report.state, report.cause, report.ne107, report.usable


def test_a_camera_starts_failed_and_is_ok_after_its_first_good_frames() -> None:
    line = Line()
    assert summary(line.silence(T)) == (HealthState.FAILED, Cause.STARTING, Ne107.FUNCTION_CHECK, False)
    for _ in range(CONFIG.recover_frames - 1):
        assert summary(line.frame()) == (HealthState.RECOVERING, Cause.STARTING, Ne107.FUNCTION_CHECK, False)
    assert summary(line.frame()) == (HealthState.OK, Cause.NONE, Ne107.GOOD, True)


def test_a_camera_that_never_starts_is_dead() -> None:
    line = Line()
    assert line.silence(START_GRACE_NS).cause is Cause.STARTING
    assert summary(line.silence(1)) == (HealthState.FAILED, Cause.DEAD, Ne107.FAILURE, False)


def test_one_dropped_frame_makes_it_suspect_and_the_next_one_well() -> None:
    line = running()
    assert line.silence(1.5 * T).state is HealthState.OK
    assert summary(line.silence(1)) == (HealthState.SUSPECT, Cause.LATE, Ne107.OUT_OF_SPEC, True)
    assert summary(line.frame(T // 2)) == (HealthState.OK, Cause.NONE, Ne107.GOOD, True)


@pytest.mark.parametrize("drops", [0, 1, 3])
def test_silence_fails_it_at_the_configured_deadline(drops: int) -> None:
    line = running(HealthConfig(tolerated_drops=drops))
    limit = round((drops + 1.5) * T)
    assert line.silence(limit).usable
    report = line.silence(1)
    assert summary(report) == (HealthState.FAILED, Cause.DEAD, Ne107.FAILURE, False)
    assert report.since_ns == line.now_ns
    assert line.silence(T).since_ns == report.since_ns


def test_recovery_takes_good_frames_in_a_row() -> None:
    line = running()
    line.silence(10 * T)
    assert line.frames(4).state is HealthState.RECOVERING
    assert line.frame(2 * T).state is HealthState.RECOVERING  # a gap begins the row anew
    assert line.frames(3).state is HealthState.RECOVERING
    assert line.frame(ok=False).state is HealthState.FAILED
    assert line.frames(4).state is HealthState.RECOVERING
    assert line.frame().state is HealthState.OK


@pytest.mark.parametrize(
    ("changes", "cause"),
    [({"mean": 0.003}, Cause.BLACK), ({"clipped": 0.95, "mean": 0.99}, Cause.SATURATED)],
)
def test_black_and_saturated_frames_fail_it_at_once(changes: dict[str, object], cause: Cause) -> None:
    line = running()
    assert summary(line.frame(**changes)) == (HealthState.FAILED, cause, Ne107.FAILURE, False)
    assert line.frames(5).state is HealthState.OK


def test_one_corrupt_frame_counts_as_a_drop_and_two_fail_it() -> None:
    line = running()
    assert summary(line.frame(ok=False)) == (HealthState.SUSPECT, Cause.CORRUPT, Ne107.OUT_OF_SPEC, True)
    assert line.frame().state is HealthState.OK
    line.frame(ok=False)
    assert summary(line.frame(ok=False)) == (HealthState.FAILED, Cause.CORRUPT, Ne107.FAILURE, False)


def test_equal_pixels_mean_frozen_at_the_third_frame_even_with_fresh_ids() -> None:
    line = running()
    line.frame(content_hash=7)
    assert line.frame(content_hash=7).state is HealthState.SUSPECT
    assert summary(line.frame(content_hash=7)) == (HealthState.FAILED, Cause.FROZEN, Ne107.FAILURE, False)


def test_a_corrupt_frame_between_does_not_hide_a_freeze() -> None:
    line = running()
    line.frame(content_hash=7)
    line.frame(ok=False, content_hash=0)
    line.frame(content_hash=7)
    line.frame(ok=False, content_hash=0)
    assert line.frame(content_hash=7).cause is Cause.FROZEN


def test_a_source_that_repeats_by_nature_is_frozen_only_by_its_ids() -> None:
    line = running()
    assert line.frames(10, content_hash=None).state is HealthState.OK
    assert line.frames(3, content_hash=None, frame_id=9).cause is Cause.FROZEN


def test_old_buffers_delivered_again_are_no_sign_of_life() -> None:
    line = running()
    last_ns = line.now_ns
    line.health.update(beat(line.number, last_ns))
    assert line.silence(2.5 * T).usable
    line.health.update(beat(line.number, last_ns))
    assert line.silence(1).state is HealthState.FAILED


def test_ids_wrap_and_restart_without_alarm() -> None:
    line = Line()
    line.number = 65530
    assert line.frames(20).state is HealthState.OK
    line.number = 0
    assert line.frames(5).state is HealthState.OK


def test_a_stall_of_the_caller_is_not_the_cameras_death() -> None:
    line = running()
    stall = 20 * T
    assert line.silence(stall, lag_ns=stall - T).state is HealthState.OK
    assert line.silence(T).usable  # the camera's process was stopped too and needs a period
    assert line.silence(1.6 * T).cause is Cause.DEAD


def test_a_loop_that_always_lags_still_sees_a_death() -> None:
    line = running()
    died_ns = line.now_ns
    report = line.silence(0)
    while report.state is not HealthState.FAILED:
        report = line.silence(T, lag_ns=T)
        assert line.now_ns < died_ns + 6 * T
    assert report.cause is Cause.DEAD


@given(
    st.lists(
        st.tuples(st.floats(0.1, 12), st.sampled_from(["good", "good", "bad", "black", "equal", "silent"])), max_size=60
    ),
    st.integers(0, 3),
)
def test_it_never_calls_usable_what_is_not(events: list[tuple[float, str]], drops: int) -> None:
    config = HealthConfig(tolerated_drops=drops)
    line = Line(config)
    kinds = {"good": {}, "bad": {"ok": False}, "black": {"mean": 0.0}, "equal": {"content_hash": 1}}
    row, last_ns, before = 0, 0, None
    for wait, kind in events:
        wait_ns = round(wait * T)
        if kind == "silent":
            report = line.silence(wait_ns)
        else:
            report = line.frame(wait_ns, **kinds[kind])
            in_row = line.now_ns - last_ns <= 1.5 * T
            row = 0 if kind != "good" and (kind, before) != ("equal", None) else row + 1 if in_row else 1
            last_ns, before = line.now_ns, kind
            if kind == "black":
                assert report.cause is Cause.BLACK
                assert not report.usable
        if line.now_ns - last_ns > (drops + 1.5) * T:
            assert not report.usable
        if row >= config.recover_frames and line.now_ns - last_ns <= 1.5 * T:
            assert report.state is HealthState.OK or report.cause is Cause.RATE_LOW
        assert (report.cause is Cause.NONE) == (report.state is HealthState.OK)


KIND = FrameKind(512, 640, 0, 16)


@pytest.mark.parametrize("kind", [FrameKind(512, 640, 0, 8), FrameKind(512, 640, 3, 16), FrameKind(256, 320, 0, 16)])
def test_a_frame_of_another_kind_is_like_a_corrupt_one(kind: FrameKind) -> None:
    line = running(expected=Expected(channels=1, bit_depth=16), kind=KIND)
    assert summary(line.frame(kind=kind)) == (HealthState.SUSPECT, Cause.WRONG_KIND, Ne107.OUT_OF_SPEC, True)
    assert summary(line.frame(kind=kind)) == (HealthState.FAILED, Cause.WRONG_KIND, Ne107.FAILURE, False)
    assert line.frames(5, kind=KIND).state is HealthState.OK


def test_a_picture_outside_the_process_band_fails_after_the_tolerated_frames() -> None:
    band = Band(low_counts=29000, high_counts=33000)
    inside = {"kind": KIND, "low": 30000 / 65535, "high": 32000 / 65535}
    line = running(expected=Expected(1, 16, band), **inside)
    assert line.frames(10, **inside).state is HealthState.OK
    for outside in ({**inside, "high": 40000 / 65535}, {**inside, "low": 3000 / 65535}):
        assert line.frame(**outside).cause is Cause.OUT_OF_RANGE
        assert summary(line.frame(**outside)) == (HealthState.FAILED, Cause.OUT_OF_RANGE, Ne107.FAILURE, False)
        assert line.frames(5, **inside).state is HealthState.OK


def test_a_cameras_clock_that_jumps_is_told_once_and_fails_it_when_it_keeps_jumping() -> None:
    line = running()

    def at(offset_ns: int) -> HealthReport:
        return line.frame(device_ns=line.now_ns + T + offset_ns)

    at(0)
    assert at(CONFIG_JUMP_NS // 2).state is HealthState.OK
    assert summary(at(3 * CONFIG_JUMP_NS)) == (HealthState.SUSPECT, Cause.CLOCK_JUMP, Ne107.OUT_OF_SPEC, True)
    assert at(3 * CONFIG_JUMP_NS).state is HealthState.OK
    at(0)
    assert at(3 * CONFIG_JUMP_NS).cause is Cause.CLOCK_JUMP
    assert at(0).state is HealthState.FAILED


def test_a_rate_that_is_low_by_a_fifth_is_told_and_used() -> None:
    line = running()
    assert [line.frame(round(1.2 * T)).state for _ in range(20)] == [HealthState.OK] * 20
    assert [line.frame().state for _ in range(60)] == [HealthState.OK] * 60
    for _ in range(60):
        report = line.frame(round(1.2 * T))
    assert summary(report) == (HealthState.SUSPECT, Cause.RATE_LOW, Ne107.OUT_OF_SPEC, True)
    assert line.frames(60).state is HealthState.OK


def test_a_lens_that_fouls_asks_for_maintenance_and_is_used() -> None:
    noise = random.Random(3)
    line = running()
    for _ in range(400):
        report = line.frame(sharpness=noise.gauss(1.0, 0.05))
    assert summary(report) == (HealthState.OK, Cause.NONE, Ne107.GOOD, True)
    for _ in range(40):
        report = line.frame(sharpness=noise.gauss(0.9, 0.05))
    assert summary(report) == (HealthState.OK, Cause.FOULED, Ne107.MAINTENANCE, True)


def test_a_shutter_event_is_a_function_check_and_no_failure() -> None:
    line = running()
    for _ in range(20):
        assert summary(line.frame(shutter=True)) == (
            HealthState.RECOVERING,
            Cause.CALIBRATING,
            Ne107.FUNCTION_CHECK,
            False,
        )
    assert summary(line.frame()) == (HealthState.OK, Cause.NONE, Ne107.GOOD, True)


def test_a_frozen_picture_of_a_camera_with_a_shutter_is_a_function_check_for_so_long() -> None:
    line = running(expected=Expected(ffc_max_ns=10 * T))
    line.frame(content_hash=7)
    assert [line.frame(content_hash=7).cause for _ in range(10)] == [Cause.CALIBRATING] * 10
    assert summary(line.frame(content_hash=7)) == (HealthState.FAILED, Cause.FROZEN, Ne107.FAILURE, False)
    line = running(expected=Expected(ffc_max_ns=10 * T))
    line.frame(content_hash=7)
    assert line.frame(content_hash=7).cause is Cause.CALIBRATING
    assert line.silence(9 * T).cause is Cause.CALIBRATING  # others give no frames at all meanwhile
    assert line.silence(2 * T).cause is Cause.DEAD


def test_a_shutter_does_not_make_a_failed_camera_better() -> None:
    line = running()
    line.frame(mean=0.0)
    assert summary(line.frame(shutter=True)) == (HealthState.FAILED, Cause.BLACK, Ne107.FAILURE, False)


def simulate(line: Line, noise: random.Random, frames: int, drop: float) -> int:
    """Frames of a living camera polled every quarter period; how often it was called FAILED."""
    start_ns, alarms, failed, missed = line.now_ns, 0, False, False
    for k in range(1, frames + 1):
        due_ns = start_ns + k * T
        arrival_ns = due_ns + round(max(-0.45 * T, min(0.45 * T, noise.gauss(0, T / 16))))
        while line.now_ns + POLL_NS < arrival_ns:
            state = line.silence(POLL_NS).state
            alarms += state is HealthState.FAILED and not failed
            failed = state is HealthState.FAILED
        missed = not missed and noise.random() < drop
        if not missed:
            line.number += 1
            line.last_ns = arrival_ns
            line.health.update(beat(line.number, arrival_ns))
    return alarms


def test_no_false_alarm_in_200_000_frames_with_jitter_and_single_drops() -> None:
    assert simulate(running(), random.Random(1), 200_000, 1e-4) == 0


def test_the_simulation_can_raise_an_alarm() -> None:
    assert simulate(running(HealthConfig(tolerated_drops=0)), random.Random(1), 20_000, 1e-2) > 50


def test_a_thousand_deaths_are_all_found_in_time() -> None:
    noise = random.Random(2)
    worst = 0.0
    for _ in range(1000):
        line = running()
        simulate(line, noise, noise.randrange(1, 20), 0)
        line.silence(noise.randrange(POLL_NS))
        while line.silence(POLL_NS).state is not HealthState.FAILED:
            assert line.now_ns - line.last_ns < NS_PER_S
        worst = max(worst, line.now_ns - line.last_ns)
    assert worst <= 2.5 * T + POLL_NS


def test_is_repeat() -> None:
    first = beat(5, 1000)
    assert not is_repeat(first, beat(6, 1001))
    assert is_repeat(first, beat(6, 1001, content_hash=first.content_hash))
    assert is_repeat(first, beat(5, 1001, content_hash=1))
    assert is_repeat(first, beat(6, 1000))
    assert not is_repeat(first, beat(1, 1001))
