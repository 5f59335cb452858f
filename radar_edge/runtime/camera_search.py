"""Which cameras this machine has: V4L2 devices and what Aravis finds. Opens none for pictures.

python -m radar_edge.runtime.camera_search     Aravis' cameras as JSON: its library stays out of the caller's process
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radar_edge.errors import MachineError
from radar_edge.runtime.capture.introspection import load

QUERY_CAPABILITY = 0x80685600
"""VIDIOC_QUERYCAP of linux/videodev2.h: _IOR('V', 0, struct v4l2_capability), 104 bytes."""
CAPABILITY = struct.Struct("16s32s32sIII12x")
VIDEO_CAPTURE, VIDEO_CAPTURE_MPLANE, DEVICE_CAPS = 0x1, 0x1000, 0x80000000
SEARCH_S = 20.0


@dataclass(frozen=True)
class Found:
    """One camera, or a device that is none: `usable` says which, `source` is what line.yaml names."""

    backend: str
    source: str
    name: str
    detail: str
    usable: bool


def find_v4l2(root: Path = Path("/")) -> list[Found]:
    """Every /dev/video*, in the order of their numbers."""
    devices = [path for path in (root / "dev").glob("video*") if path.name[5:].isdigit()]
    return [ask_v4l2(path, root) for path in sorted(devices, key=lambda path: int(path.name[5:]))]


def ask_v4l2(device: Path, root: Path) -> Found:
    name_file = root / "sys/class/video4linux" / device.name / "name"
    name = name_file.read_text(errors="replace").strip() if name_file.is_file() else "unknown"
    source = f"/{device.relative_to(root)}"
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK)
        try:
            answer = fcntl.ioctl(descriptor, QUERY_CAPABILITY, bytes(CAPABILITY.size))
        finally:
            os.close(descriptor)
    except OSError as error:
        return Found("opencv", source, name, f"does not answer: {error.strerror}", usable=False)
    return Found("opencv", source, *told_by_v4l2(answer))


def told_by_v4l2(answer: bytes) -> tuple[str, str, bool]:
    """(name, driver and bus, whether it takes pictures) of a struct v4l2_capability."""
    driver, card, bus, _, capabilities, of_device = CAPABILITY.unpack(answer)
    flags = of_device if capabilities & DEVICE_CAPS else capabilities
    captures = bool(flags & (VIDEO_CAPTURE | VIDEO_CAPTURE_MPLANE))
    driver, card, bus = (part.split(b"\0")[0].decode(errors="replace") for part in (driver, card, bus))
    return card, f"{driver}, {bus}" + ("" if captures else "; takes no pictures (metadata or output)"), captures


def find_aravis() -> tuple[list[Found], str]:
    """(cameras, what was looked for in words). A search that cannot be made is said and is no error."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SEARCH_S, check=False)
        answer: Any = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return [], f"the search did not end well within {SEARCH_S:g} s"
    if answer is None:
        return [], f"the search failed: {done.stderr.strip().splitlines()[-1:]}"
    if "missing" in answer:
        return [], f"not searched: {answer['missing']}"
    found = [
        Found("aravis", one["id"], f"{one['vendor']} {one['model']}", one["address"], True) for one in answer["cameras"]
    ]
    return found, "GigE Vision and USB3 Vision cameras that answer"


def list_aravis() -> dict[str, Any]:
    try:
        aravis = load("Aravis", "0.8", "gir1.2-aravis-0.8")
    except MachineError as error:
        return {"missing": f"{error.problem}; {error.next_step}"}
    aravis.update_device_list()
    return {
        "cameras": [
            {
                "id": aravis.get_device_id(n),
                "vendor": aravis.get_device_vendor(n),
                "model": aravis.get_device_model(n),
                "address": aravis.get_device_address(n),
            }
            for n in range(aravis.get_n_devices())
        ]
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list_aravis()) + "\n")
