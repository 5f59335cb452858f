"""A key folder of each test alone, and a bundle signed with its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bundle import write_bundle

from radar_edge.bundle import Signer, create_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key folder of this test alone."""
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def signer(home: Path) -> Signer:
    return create_key(home / "keys")


@pytest.fixture
def bundle(tmp_path: Path, signer: Signer) -> Path:
    return write_bundle(tmp_path / "bundle", signer)
