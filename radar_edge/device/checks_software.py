"""Checks of what radar-edge stands on: CUDA, TensorRT, its DLA library, OpenCV. Pure but for the Board."""

from __future__ import annotations

import re

from radar_edge.device.board import Board
from radar_edge.device.checks_board import is_jetson, release_of
from radar_edge.device.finding import Finding, fail, ok, warn
from radar_edge.device.jetpack import numbers

DLA = "usr/lib/aarch64-linux-gnu/nvidia/libnvdla_compiler.so"
DRIVER = ("usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1", "usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1",
          "usr/lib/x86_64-linux-gnu/libcuda.so.1", "usr/lib/aarch64-linux-gnu/libcuda.so.1")  # fmt: skip
DLA_MAJOR_ENDS = 39
"""From this L4T on TensorRT is the one for arm64 servers, which needs no DLA library."""


def cuda(board: Board) -> Finding:
    driver = [path for path in DRIVER if board.size(path)]
    toolkit = board.text("usr/local/cuda/version.json") or ""
    version = re.search(r'"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([\d.]+)"', toolkit)
    if driver:
        return ok("cuda", f"driver there, toolkit {version[1] if version else 'not installed'}")
    if not is_jetson(board):
        return ok("cuda", "no driver: engine onnxruntime needs none")
    return fail(
        "cuda", "no libcuda.so.1", "nothing runs on the GPU",
        "in a container: --runtime nvidia; else apt-get install nvidia-l4t-cuda",
    )  # fmt: skip


def tensorrt_version(board: Board) -> str | None:
    found = board.package("python3-libnvinfer") or board.package("libnvinfer10") or board.package("libnvinfer8")
    return None if found is None else found.split("-")[0]


def tensorrt(board: Board) -> Finding:
    found, release = tensorrt_version(board), release_of(board)
    if found is None:
        if not is_jetson(board):
            return ok("tensorrt", "not installed: engine onnxruntime needs none")
        return fail("tensorrt", "not installed", "plans cannot be built or run", "apt-get install python3-libnvinfer")
    if numbers(found) < (10, 3):
        return fail("tensorrt", found, "the runner needs 10.3 or later", "flash JetPack 6.2 or later")
    wanted = None if release is None else release.tensorrt
    if wanted is not None and numbers(found)[:2] != numbers(wanted)[:2]:
        return fail(
            "tensorrt", f"{found}, JetPack {release.jetpack if release else ''} has {wanted}",
            "TensorRT of one JetPack does not run on another", "install the JetPack's own TensorRT",
        )  # fmt: skip
    return ok("tensorrt", found)


def dla_library(board: Board) -> Finding:
    """JetPack 6's TensorRT is linked to it; images get the host's, which some vendors leave out: then it is empty."""
    release, version = release_of(board), tensorrt_version(board)
    if not is_jetson(board) or release is None or version is None:
        return ok("dla library", "not needed here")
    if numbers(release.l4t)[0] >= DLA_MAJOR_ENDS and numbers(version) >= (10, 16):
        return ok("dla library", "not needed by this TensorRT")
    if numbers(release.l4t)[0] == 38:
        return ok("dla library", "not needed on Thor")
    size = board.size(DLA)
    if not size:
        state = "missing" if size is None else "an empty file"
        return fail(
            "dla library", f"/{DLA} is {state}", "TensorRT of JetPack 6 cannot be imported without it",
            "apt-get install nvidia-l4t-dla-compiler on the host; an image of JetPack 6 does not run on JetPack 7.2",
        )  # fmt: skip
    return ok("dla library", "there")


def opencv(board: Board) -> Finding:
    text = board.output("opencv")
    if text is None:
        return warn("opencv", "cannot be asked", "cameras of back end opencv need it", "apt-get install python3-opencv")
    if re.search(r"GStreamer:\s+YES", text):
        return ok("opencv", "with GStreamer")
    return warn(
        "opencv", "without GStreamer", "CSI cameras cannot be opened through it",
        "use back end gstreamer, or apt-get install python3-opencv and remove pip's opencv-python",
    )  # fmt: skip


CHECKS = (cuda, tensorrt, dla_library, opencv)
