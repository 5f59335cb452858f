"""A unit as its files and its tools show it. With another root it is a tree of files: a test, or a mounted disk.

    <root>/...                     files as they stand there
    <root>/.commands/<name>.txt    with another root than /: what COMMANDS[name] printed on that machine

It reads and never judges: what is not there is None.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

COMMANDS: Mapping[str, Sequence[str]] = {
    "nvpmodel": ("nvpmodel", "-q"),
    "dpkg": ("dpkg-query", "-W", "-f", "${Package} ${Version}\\n"),
    "timedatectl": ("timedatectl", "show"),
    "df": ("df", "-Pm", "/", "/var/lib"),
    "opencv": ("python3", "-c", "import cv2; print(cv2.getBuildInformation())"),
    "arv-tool": ("arv-tool-0.8",),
}
"""Those that doctor asks. None of them changes anything."""
TIMEOUT_S = 10


class Board:
    """Raises nothing for what cannot be read: that is a finding."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.live = root == Path("/")

    def text(self, path: str) -> str | None:
        """A file without the zero byte that ends a device tree's strings."""
        try:
            return (self.root / path).read_bytes().replace(b"\0", b"\n").decode(errors="replace").strip()
        except OSError:
            return None

    def size(self, path: str) -> int | None:
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return None

    def glob(self, pattern: str) -> list[str]:
        """Paths below the root, sorted."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))

    def output(self, name: str) -> str | None:
        """What a command of COMMANDS prints; None if it is not there, fails or hangs."""
        if not self.live:
            return self.text(f".commands/{name}.txt")
        try:
            found = subprocess.run(COMMANDS[name], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return found.stdout.strip() if found.returncode == 0 else None

    def package(self, name: str) -> str | None:
        """Version of an installed Debian package."""
        for line in (self.output("dpkg") or "").splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == name:
                return words[1]
        return None
