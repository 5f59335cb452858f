"""Is the line of a state.json well? For containers and scripts; knows that file and nothing else.

python -m radar_edge.runtime.healthcheck STATE.json       exit code 0 only if it is fresh and says READY
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radar_edge.clock import NS_PER_S

FRESH_S = 5.0
"""It is written every second."""


def problem(state: Mapping[str, Any], now_ns: int) -> str | None:
    """What is wrong, in words; None if nothing is. `now_ns`: monotonic, of the machine that wrote it."""
    age_s = (now_ns - int(state["at_ns"])) / NS_PER_S
    if not 0 <= age_s <= FRESH_S:
        return f"the state is {age_s:.0f} s old: the line does not run"
    if "READY" not in state["status"]:
        return f"the line is not READY: {' '.join(state['status']) or 'no status'}"
    return None


def problem_of(path: Path, now_ns: int) -> str | None:
    """Likewise, of a file; one that cannot be read is a problem."""
    try:
        return problem(json.loads(path.read_text()), now_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} cannot be read: {error}"


def main() -> int:
    if len(sys.argv) != 2:
        sys.stderr.write("error: one argument, the path of state.json\n")
        return 2
    found = problem_of(Path(sys.argv[1]), time.monotonic_ns())
    if found is not None:
        sys.stderr.write(f"error: {found}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
