"""What a figure was measured on. Knows no bench."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from typing import Any


def machine() -> dict[str, Any]:
    """For the JSON of every bench."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }
