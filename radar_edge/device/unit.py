"""What the kernel says of a unit, from a root folder. Reads files only."""

from __future__ import annotations

import re
from pathlib import Path

from radar_edge.errors import MachineError

KIB_PER_MIB = 1024


def available_mib(root: Path = Path("/")) -> int:
    """Memory that programs can have without swapping (proc(5), MemAvailable). Raises MachineError."""
    path = root / "proc/meminfo"
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError as error:
        raise MachineError(f"cannot read {path}", found=error.strerror, wanted="Linux") from error
    if found is None:
        raise MachineError(f"{path} does not say how much memory is available", wanted="Linux 3.14 or later")
    return int(found[1]) // KIB_PER_MIB
