"""Frames of one part belong together by trigger id, each is used once, and nobody waits for a dead camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.errors import UsageError
from radar_edge.records import Frame
from radar_edge.runtime.pairing import Pairing

WAIT_NS = 100


def frame(modality: str, trigger_id: int, stamp_ns: int = 100) -> Frame:
    return Frame(modality, np.zeros((16, 16), np.uint8), f"cam-{modality}", 1, stamp_ns, trigger_id)


def test_a_part_is_complete_when_every_expected_modality_is_there() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 0)
    assert not pairing.complete(7, ["rgb", "tir"], 1)
    rgb, tir = frame("rgb", 7), frame("tir", 7)
    assert pairing.add(rgb)
    assert not pairing.complete(7, ["rgb", "tir"], 1)
    assert pairing.add(tir)
    assert pairing.complete(7, ["rgb", "tir"], 1)
    assert pairing.take(7) == {"rgb": rgb, "tir": tir}
    assert len(pairing) == 0


def test_the_expected_may_shrink_while_waiting() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 0)
    pairing.add(frame("rgb", 7))
    assert not pairing.complete(7, ["rgb", "tir"], 50)
    assert pairing.complete(7, ["rgb"], 50)


def test_with_no_usable_camera_nothing_is_waited_for() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 0)
    assert pairing.complete(7, [], 0)
    assert pairing.take(7) == {}


def test_the_wait_ends() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 30)
    assert pairing.due_ns(7) == 130
    assert not pairing.complete(7, ["rgb"], 129)
    assert pairing.complete(7, ["rgb"], 130)


@pytest.mark.parametrize(
    "stray",
    [frame("tir", 8), frame("rgb", 7), frame("tir", 7, stamp_ns=99), frame("tir", 7, stamp_ns=201), frame("tir", 0)],
    ids=["unknown trigger", "second of its modality", "before the trigger", "after its wait", "untriggered"],
)
def test_frames_that_belong_to_no_part_are_dropped_and_counted(stray: Frame) -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 100)
    first = frame("rgb", 7)
    pairing.add(first)
    assert not pairing.add(stray)
    assert pairing.dropped == 1
    assert pairing.take(7) == {"rgb": first}


def test_a_frame_after_the_close_is_dropped() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 0)
    pairing.take(7)
    assert not pairing.add(frame("rgb", 7))
    assert pairing.dropped == 1


def test_a_wrapped_id_takes_no_frame_of_its_last_use() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 5000)
    assert not pairing.add(frame("rgb", 7, stamp_ns=4999))
    assert pairing.add(frame("rgb", 7, stamp_ns=5000))


def test_memory_is_bounded_the_oldest_goes() -> None:
    pairing = Pairing(WAIT_NS, capacity=2)
    for trigger_id in (1, 2, 3):
        pairing.open(trigger_id, 0)
    assert len(pairing) == 2
    assert pairing.evicted == 1
    assert not pairing.add(frame("rgb", 1))
    assert pairing.add(frame("rgb", 3))


def test_misuse_is_named() -> None:
    pairing = Pairing(WAIT_NS)
    pairing.open(7, 0)
    with pytest.raises(UsageError, match="open already"):
        pairing.open(7, 1)
    with pytest.raises(UsageError, match="not open"):
        pairing.take(8)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("open"), st.integers(1, 6)),
            st.tuples(st.just("take"), st.integers(1, 6)),
            st.tuples(st.sampled_from(["rgb", "tir"]), st.integers(1, 6)),
        ),
        max_size=80,
    )
)
def test_every_frame_is_used_once_and_only_for_its_own_trigger(actions: list[tuple[str, int]]) -> None:
    pairing = Pairing(WAIT_NS, capacity=3)
    opened: list[int] = []
    used: list[Frame] = []
    added = 0
    for now_ns, (what, trigger_id) in enumerate(actions):
        if what == "open":
            if trigger_id not in opened:
                pairing.open(trigger_id, now_ns)
                opened = [*opened, trigger_id][-3:]
        elif what == "take":
            if trigger_id in opened:
                frames = pairing.take(trigger_id)
                opened.remove(trigger_id)
                assert all(f.trigger_id == trigger_id and f.modality == name for name, f in frames.items())
                used += frames.values()
        else:
            added += 1
            kept = pairing.add(frame(what, trigger_id, stamp_ns=now_ns))
            assert not kept or trigger_id in opened
        assert len(pairing) == len(opened) <= 3
    assert len({id(f) for f in used}) == len(used)
    assert len(used) + pairing.dropped <= added
