"""GObject introspection, which a distribution installs for its own Python. Knows no camera.

For a camera's own process only: GStreamer brings a second C++ unwinder (libunwind), and an exception that TensorRT
throws in the same process then ends it.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from radar_edge.errors import MachineError

SYSTEM_PACKAGES = "/usr/lib/python3/dist-packages"
"""Where Debian, Ubuntu and JetPack keep python3-gi; a virtual environment does not look there."""


def load(namespace: str, version: str, package: str) -> Any:
    """The namespace, such as Gst 1.0. Raises MachineError naming the Debian package that lacks."""
    missing = MachineError(
        f"{namespace} {version} is not installed for this Python",
        found=f"Python {sys.version_info.major}.{sys.version_info.minor}",
        next_step=f"apt-get install python3-gi {package}, and run with the Python that it is built for",
    )
    try:
        gi = import_module("gi")
    except ImportError as error:
        if not Path(SYSTEM_PACKAGES).is_dir():
            raise missing from error
        sys.path.append(SYSTEM_PACKAGES)  # last: what the environment has comes first
        try:
            gi = import_module("gi")
        except ImportError as again:
            raise missing from again
    try:
        gi.require_version(namespace, version)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # its importer is of the old kind
            return import_module(f"gi.repository.{namespace}")
    except (ValueError, ImportError) as error:
        raise missing from error
