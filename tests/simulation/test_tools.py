"""Every tool that takes options starts: a bench whose imports have moved on would else be found when it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = sorted(
    path for path in (Path(__file__).parents[2] / "tools").glob("*.py") if "ArgumentParser" in path.read_text()
)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.stem)
def test_a_tool_starts_and_explains_itself(tool: Path) -> None:
    found = subprocess.run([sys.executable, str(tool), "--help"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-1000:]
    assert "usage:" in found.stdout
