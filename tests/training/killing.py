"""A training that dies as by a power cut."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence


def killed_at(words: Sequence[str], step: int) -> None:
    """Run `words`, which print each step's number, and SIGKILL them at `step`."""
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) == step:
            os.kill(child.pid, signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
