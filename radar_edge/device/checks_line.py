"""Checks of what a line is wired to: cameras, network, serial port; and of its bundle and plans. Reads a Board."""

from __future__ import annotations

import re
from pathlib import Path

from radar_edge.bundle import open_bundle
from radar_edge.bundle.device_record import open_device
from radar_edge.config import LineConfig
from radar_edge.device.board import Board
from radar_edge.device.checks_board import is_jetson, release_of
from radar_edge.device.checks_software import tensorrt_version
from radar_edge.device.finding import Finding, fail, ok, warn
from radar_edge.errors import RadarEdgeError

LEAST_RMEM = 8 << 20
JUMBO = 8000


def cameras(board: Board) -> list[Finding]:
    """What kinds of cameras the machine has, and whether their services are there."""
    video = board.glob("dev/video*")
    found = [ok("cameras", f"{len(video)} V4L2 devices" if video else "no V4L2 device")]
    argus = board.glob("usr/sbin/nvargus-daemon")
    if is_jetson(board) and not argus:
        found.append(warn("nvargus", "no nvargus-daemon", "CSI cameras need it", "apt-get install nvidia-l4t-camera"))
    elif argus:
        found.append(ok("nvargus", "there; after a client crashed: systemctl restart nvargus-daemon"))
    return found


def gige(board: Board) -> Finding:
    """Of every wired interface the largest MTU, and the socket buffer."""
    told = board.text("proc/sys/net/core/rmem_max") or ""
    rmem = int(told) if told.isdecimal() else 0
    mtus = [int(text) for path in board.glob("sys/class/net/e*/mtu") if (text := board.text(path)) and text.isdecimal()]
    text = f"MTU {max(mtus, default=0)}, socket buffer {rmem >> 10} KiB"
    if rmem < LEAST_RMEM:
        return warn(
            "gige", text, "a late reader loses packets of a GigE camera, and the frame with them",
            "sysctl -w net.core.rmem_max=33554432; provision.sh --gige INTERFACE keeps it",
        )  # fmt: skip
    if max(mtus, default=0) < JUMBO:
        return warn(
            "gige", text, "small packets cost CPU time", "ip link set INTERFACE mtu 9000, if the switch carries it"
        )
    return ok("gige", text)


def serial(board: Board) -> list[Finding]:
    adapters = board.glob("dev/ttyUSB*") + board.glob("dev/ttyACM*") + board.glob("dev/ttyTHS*")
    found = [
        ok("serial", ", ".join(f"/{path}" for path in adapters))
        if adapters
        else warn("serial", "no port", "the PLC cannot be reached", "plug the adapter in; look at dmesg")
    ]
    getty = board.glob("etc/systemd/system/multi-user.target.wants/nvgetty.service")
    if getty:
        found.append(
            warn("nvgetty", "enabled", "its login prompt writes to the PLC's port", "systemctl disable --now nvgetty")
        )
    for path in board.glob("sys/bus/usb-serial/devices/*/latency_timer"):
        value = board.text(path) or ""
        if value.isdecimal() and int(value) > 1:
            why = "bytes wait so long in the adapter: most of a PLC's poll"
            found.append(warn("ftdi latency", f"{value} ms", why, "provision.sh brings the udev rule"))
        elif value == "1":
            found.append(ok("ftdi latency", "1 ms"))
    return found


def bundle(folder: Path) -> Finding:
    try:
        opened = open_bundle(folder)
    except RadarEdgeError as error:
        return fail(
            "bundle", " ".join([error.problem, *error.faults[:3]]), "the line will not start", error.next_step or ""
        )
    return ok("bundle", f"{opened.sha256[:12]}, signed by {opened.signed_by}")


def plans(board: Board, folder: Path, device: Path) -> Finding:
    """Whether the plans are of this bundle and of this release; the GPU itself is asked by `run` and `finish`."""
    mend = "radar-edge finish"
    try:
        record = open_device(device, open_bundle(folder).sha256).record
    except RadarEdgeError as error:
        return fail("plans", " ".join([error.problem, *error.faults[:3]]), "the line will not start", mend)
    release, version = release_of(board), tensorrt_version(board)
    l4t = None if release is None else release.l4t
    if record.l4t != l4t:
        return fail("plans", f"built on L4T {record.l4t}, this is {l4t}", "they may crash another TensorRT", mend)
    if version is not None and not same_version(record.tensorrt, version):
        return fail("plans", f"built with TensorRT {record.tensorrt}, this is {version}", "they cannot be loaded", mend)
    kinds = ", ".join(f"{plan.subset} {plan.precision}" for plan in record.plans)
    return ok("plans", kinds)


def same_version(module: str, package: str) -> bool:
    """TensorRT's module says three numbers, its package four."""
    return re.findall(r"\d+", module)[:3] == re.findall(r"\d+", package)[:3]


def line(board: Board, config: LineConfig) -> list[Finding]:
    """What this line.yaml (with paths as they are to be used) needs of the machine."""
    found = []
    for one in config.by_product().values():
        found.append(bundle(one.bundle))
        if one.device is not None:
            found.append(plans(board, one.bundle, one.device))
    kinds = {camera.backend for camera in config.cameras}
    if "aravis" in kinds:
        listed = board.output("arv-tool")
        found.append(
            ok("aravis", f"{len(listed.splitlines())} cameras answer")
            if listed
            else fail("aravis", "no camera answers", "the line waits for it", "arv-tool-0.8; cable, address, firewall")
        )
    return found
