"""Checks of the board itself: module, release, power, heat, memory, disks, time, watchdog. Pure but for the Board."""

from __future__ import annotations

import re

from radar_edge.device.board import Board
from radar_edge.device.finding import Finding, fail, ok, warn
from radar_edge.device.jetpack import Release, parse_release

HOT_C = 85.0
"""Orin throttles its clocks from 99 C on, Thor from 94: at 85 a summer's day is left."""
LEAST_FREE_MIB = 1024
LEAST_DISK_MIB = 1024
FAST_MODES = ("MAXN", "MAXN_SUPER")


def release_of(board: Board) -> Release | None:
    return parse_release(board.text("etc/nv_tegra_release") or "")


def is_jetson(board: Board) -> bool:
    return "nvidia,tegra" in (board.text("proc/device-tree/compatible") or "")


def module(board: Board) -> Finding:
    model = board.text("proc/device-tree/model")
    if not is_jetson(board):
        return warn(
            "module",
            model or "no device tree",
            "this is no Jetson: plans cannot be built here",
            "run doctor on the unit, or use engine: onnxruntime on a PC",
        )
    if "tegra194" in (board.text("proc/device-tree/compatible") or ""):
        return fail("module", model or "Xavier", "Xavier ends with JetPack 5 and TensorRT 8", "use an Orin or a Thor")
    return ok("module", model or "a Jetson without a name")


def jetpack(board: Board) -> Finding:
    text = board.text("etc/nv_tegra_release")
    release = release_of(board)
    if text is None:
        level = fail if is_jetson(board) else warn
        return level(
            "jetpack", "no /etc/nv_tegra_release", "nobody can tell which CUDA and TensorRT belong here",
            "in a container: mount /etc/nv_tegra_release; else install nvidia-l4t-core",
        )  # fmt: skip
    if release is None:
        return fail("jetpack", text.splitlines()[0][:60], "the release cannot be read", "look at /etc/nv_tegra_release")
    if release.jetpack is None and release.newer_than_known:
        return warn("jetpack", f"L4T {release.l4t}, newer than known", "nothing of it was tried", "run the self-test")
    if release.too_old:
        return fail(
            "jetpack", f"L4T {release.l4t}, JetPack {release.jetpack or 'unknown'}", "its TensorRT is older than 10.3",
            "flash JetPack 6.2 or later",
        )  # fmt: skip
    return ok("jetpack", f"L4T {release.l4t}, JetPack {release.jetpack or 'unknown'}")


def power_mode(board: Board) -> Finding:
    text = board.output("nvpmodel")
    found = re.search(r"NV Power Mode: *(\S+)", text or "")
    if found is None:
        if not is_jetson(board):
            return ok("power mode", "no nvpmodel, as on any PC")
        return warn("power mode", "nvpmodel tells nothing", "latency depends on it", "run nvpmodel -q as root")
    if found[1] not in FAST_MODES:
        return warn(
            "power mode", found[1], "clocks are capped: latency was not measured at this mode",
            "nvpmodel -m with the fastest mode that the power supply carries; provision.sh --nvpmodel N keeps it",
        )  # fmt: skip
    return ok("power mode", found[1])


def clocks(board: Board) -> Finding:
    """Of the GPU: jetson_clocks holds it at its highest frequency, else the governor raises it when work comes."""
    for path in board.glob("sys/class/devfreq/*gpu*/max_freq") + board.glob("sys/class/devfreq/*ga10b*/max_freq"):
        most, least = board.text(path), board.text(path.replace("max_freq", "min_freq"))
        if most is None or least is None or not (most.isdecimal() and least.isdecimal()):
            continue
        text = f"GPU {int(least) // 10**6} to {int(most) // 10**6} MHz"
        if int(least) < int(most):
            return warn("clocks", text, "the first parts after a pause take longer", "jetson_clocks, at every boot")
        return ok("clocks", text)
    return ok("clocks", "no GPU clock to look at")


def temperature(board: Board) -> Finding:
    zones = {}
    for path in board.glob("sys/class/thermal/thermal_zone*/temp"):
        text = board.text(path)
        if text is not None and re.fullmatch(r"-?\d+", text):
            name = board.text(path.replace("/temp", "/type")) or path
            zones[name] = int(text) / 1000
    if not zones:
        return warn(
            "temperature", "no thermal zone can be read", "throttling would not be seen", "look at /sys/class/thermal"
        )
    name, temp_c = max(zones.items(), key=lambda zone: zone[1])
    if temp_c >= HOT_C:
        return fail(
            "temperature", f"{name} {temp_c:.0f} C", "it will throttle, and latency with it", "fan, heat sink, dust"
        )
    return ok("temperature", f"{name} {temp_c:.0f} C")


def throttling(board: Board) -> Finding:
    """Jetson's kernel has a cooling device a throttled clock; its state is 0 while it does nothing."""
    alerts = [path for path in board.glob("sys/class/thermal/cooling_device*/type")
              if "throttle" in (board.text(path) or "")]  # fmt: skip
    active = [board.text(path) or "" for path in alerts if board.text(path.replace("/type", "/cur_state")) != "0"]
    if active:
        return fail("throttling", ", ".join(active), "clocks are held down now", "cool it; a stronger power supply")
    return ok("throttling", f"none of {len(alerts)} active" if alerts else "nothing that tells of it")


def disk(board: Board) -> Finding:
    """Of df -Pm: megabytes that are available where the journal stands."""
    rows = [row.split() for row in (board.output("df") or "").splitlines()[1:]]
    free = [int(row[3]) for row in rows if len(row) >= 6 and row[3].isdecimal()]
    if not free:
        return warn("disk", "unknown", "a full disk stops the journal, and then PASS", "look at df -m /var/lib")
    if min(free) < LEAST_DISK_MIB:
        return fail("disk", f"{min(free)} MB free", "a full disk stops the journal, and then PASS", "free or move it")
    return ok("disk", f"{min(free)} MB free")


def memory(board: Board) -> Finding:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", board.text("proc/meminfo") or "", re.MULTILINE)
    if found is None:
        return fail("memory", "unknown", "building plans needs memory", "look at /proc/meminfo")
    free = int(found[1]) // 1024
    if free < LEAST_FREE_MIB:
        return warn(
            "memory", f"{free} MiB free", "CPU and GPU share it: engines or `finish` may not fit",
            "systemctl set-default multi-user.target, and reboot: the desktop takes 800 MiB",
        )  # fmt: skip
    return ok("memory", f"{free} MiB free")


def emmc(board: Board) -> Finding:
    """JEDEC eMMC 5.0: life time in tenths, 0x01 up to 10 % used, 0x0a 90 to 100 %, 0x0b beyond."""
    for path in board.glob("sys/block/mmcblk*/device/life_time"):
        words = (board.text(path) or "").split()
        try:
            used = max(int(word, 16) for word in words)
        except ValueError:
            continue
        text = f"{path.split('/')[2]}: up to {10 * used} % of its life used"
        if used >= 0x0A:
            return fail("emmc", text, "it may turn read-only any day: the journal with it", "move the journal to NVMe")
        if used >= 0x07:
            return warn(
                "emmc", text, "the journal writes 13 kB a part", "move the journal to NVMe, or plan a new module"
            )
        return ok("emmc", text)
    return ok("emmc", "none that tells its wear")


def root_file_system(board: Board) -> Finding:
    for line in (board.text("proc/mounts") or "").splitlines():
        words = line.split()
        if len(words) >= 4 and words[1] == "/":
            if "ro" in words[3].split(","):
                return ok("root file system", f"{words[0]} read-only")
            return warn(
                "root file system", f"{words[0]} writable", "a power cut may damage it",
                "mount / read-only and /var/lib/radar-edge on its own partition",
            )  # fmt: skip
    return warn("root file system", "unknown", "a power cut may damage a writable one", "look at /proc/mounts")


def time_sync(board: Board) -> Finding:
    text = board.output("timedatectl") or ""
    if "NTPSynchronized=yes" in text:
        return ok("time", "synchronised")
    return warn(
        "time", "not synchronised" if text else "unknown", "the journal's times of day mean nothing",
        "timedatectl set-ntp true, with a server that the unit can reach",
    )  # fmt: skip


def watchdog(board: Board) -> Finding:
    devices = board.glob("sys/class/watchdog/watchdog*")
    if not devices:
        return warn("watchdog", "no hardware watchdog", "a hung kernel stays hung", "enable it in the device tree")
    for path in [*board.glob("etc/systemd/system.conf.d/*.conf"), "etc/systemd/system.conf"]:
        if re.search(r"^RuntimeWatchdogSec=(?!0\b|off)", board.text(path) or "", re.MULTILINE):
            return ok("watchdog", f"{len(devices)} there, fed by systemd")
    return warn(
        "watchdog", f"{len(devices)} there, not fed", "a hung kernel stays hung, with the PLC at reject",
        "provision.sh sets RuntimeWatchdogSec",
    )  # fmt: skip


CHECKS = (
    module,
    jetpack,
    power_mode,
    clocks,
    temperature,
    throttling,
    memory,
    disk,
    emmc,
    root_file_system,
    time_sync,
    watchdog,
)
