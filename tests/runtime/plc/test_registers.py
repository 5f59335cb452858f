from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_edge.records import Code, Ne107, Reason
from radar_edge.runtime.plc.link import StatusBit
from radar_edge.runtime.plc.registers import Condition, Shown, input_registers, next_number, read_input_registers

SHOWN = st.builds(
    Shown,
    sequence=st.integers(0, 65535),
    trigger_id=st.integers(0, 65535),
    code=st.sampled_from(Code),
    reason=st.sampled_from(Reason),
    subset_bits=st.integers(0, 255),
    wire_score=st.integers(0, 1000),
)
FITTED = [level for level in Ne107 if level is not Ne107.NOT_FITTED]
CONDITIONS = st.builds(
    Condition,
    status=st.integers(0, 31).map(StatusBit),
    health=st.lists(st.sampled_from(FITTED), max_size=8).map(tuple),
    heartbeat=st.integers(0, 65535),
)


def test_the_map_is_that_of_the_design() -> None:
    shown = Shown(7, 42, Code.REJECT, Reason.ANOMALY, 0b11, 730)
    health = (Ne107.GOOD, Ne107.FAILURE, Ne107.GOOD, Ne107.GOOD, Ne107.MAINTENANCE)
    condition = Condition(StatusBit.READY | StatusBit.DEGRADED, health, 99)
    assert input_registers(shown, condition) == (1, 7, 42, 2, 2, 3, 730, 5, 0x1151, 0x0004, 99, 7)


def test_at_the_start_nothing_is_said() -> None:
    assert input_registers(Shown(), Condition()) == (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@given(SHOWN, CONDITIONS)
def test_registers_say_what_was_put_in(shown: Shown, condition: Condition) -> None:
    registers = input_registers(shown, condition)
    assert all(0 <= value <= 65535 for value in registers)
    assert read_input_registers(registers) == (shown, condition)


@pytest.mark.parametrize(
    "registers", [(1,) * 11, (2, *(0,) * 11), (1, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4)], ids=["short", "map 2", "torn"]
)
def test_half_a_block_is_no_block(registers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        read_input_registers(registers)


def test_nine_modalities_do_not_fit() -> None:
    with pytest.raises(ValueError, match="room for 8"):
        input_registers(Shown(), Condition(health=(Ne107.GOOD,) * 9))


def test_numbers_wrap_past_none() -> None:
    assert [next_number(n) for n in (0, 1, 65534, 65535)] == [1, 2, 65535, 1]
