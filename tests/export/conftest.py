from __future__ import annotations

import onnx
import pytest
from toy import toy_graph


@pytest.fixture(scope="session")
def full() -> onnx.ModelProto:
    """The full graph of three modalities."""
    return toy_graph(("rgb", "tir", "depth"))
