"""1: is the unit fit, and are its CUDA and TensorRT there?"""

from __future__ import annotations

from typing import Any

import pytest

from radar_edge.device.board import Board
from radar_edge.device.doctor import examine
from radar_edge.errors import MissingPackageError
from radar_edge.inference.cuda import BACKENDS, open_device


def test_nothing_fails() -> None:
    assert [finding for finding in examine(Board()) if finding.level == "fail"] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_cuda_starts_and_ends(backend: str, facts: dict[str, Any]) -> None:
    try:
        with open_device(backend) as device:
            facts[backend] = device.facts
    except MissingPackageError as error:
        pytest.skip(str(error))
    with open_device(backend) as device:
        assert device.facts.total_mib > 0
