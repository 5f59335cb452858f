from __future__ import annotations

import pytest
from line_fakes import line_config

from radar_edge.config import ModbusSlaveConfig
from radar_edge.runtime.budget import budget, shortfalls, wire_ms


def plc(**changes: object) -> ModbusSlaveConfig:
    return ModbusSlaveConfig.model_validate({"driver": "modbus-slave", "port": "x", **changes})


@pytest.mark.parametrize(
    ("changes", "wanted_ms"),
    [
        # 9+10+8 bytes of the write, 8+5+24 of the read: 64 characters, and 4 silences.
        ({"baud": 115200}, 64 * 10 / 115.2 + 7.0),
        ({"baud": 9600}, (64 + 14) * 10 / 9.6),
        ({"baud": 9600, "parity": "even", "stop_bits": 2}, (64 + 14) * 12 / 9.6),
    ],
)
def test_the_time_on_the_wire(changes: dict[str, object], wanted_ms: float) -> None:
    assert wire_ms(plc(**changes)) == pytest.approx(wanted_ms)


def test_each_limit_is_found_by_itself(tmp_path) -> None:  # type: ignore[no-untyped-def]
    config = line_config(tmp_path / "journal.sqlite")
    left_ms = config.deadline_ms - config.wire_margin_ms - config.pair_wait_ms
    fits = budget(config, 10, 0, left_ms)
    assert shortfalls(config, fits, config.deadline_ms + 1000) == []
    slow = shortfalls(config, budget(config, 10, 0, left_ms + 0.5), config.deadline_ms + 1000)
    assert [fault.split(" may")[0] for fault in slow] == ["a verdict"]
    narrow = shortfalls(config, budget(config, 10, 0, 0), config.deadline_ms + 19)
    assert len(narrow) == 1
    assert "NO_DECISION would come too late" in narrow[0]
    assert any("trigger to verdict" in fault for fault in shortfalls(config, fits, fits.total_ms - 0.1))
