"""The table of docs/plc.md from what tools/bench_plc.py and tools/fuzz_plc.py printed, one JSON document a line.

tools/plc_results.py docs/results/plc.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LIBRARIES = ("radar-edge", "pymodbus", "minimalmodbus")
DRIVERS = {"master": "modbus-slave", "slave": "modbus-master"}


def shown(found: dict[str, Any]) -> tuple[str, str, str]:
    """(what, how much, what came of it)"""
    if found.get("tool") == "atheris":
        return "fuzzing with atheris", f"{found['seconds']:.0f} s", f"exit code {found['exit_code']}"
    name, driver = found["scenario"], DRIVERS[found["role"]]
    if name == "roundtrip":
        each = ", ".join(f"{lib} {found[lib]['p50_ms']:.2f} / {found[lib]['p99_ms']:.2f}" for lib in LIBRARIES)
        return "write of 4 registers and reply, libmodbus, p50 / p99 ms", f"{found['writes']} each", each
    if name == "late":
        text = f"{found['acknowledged']} acknowledged, {found['deliveries']['not_delivered']} told as not delivered"
        return "replies 130 ms late, timeout 100 ms", f"{found['parts']} parts", text
    counts = f"{found['pass']} passed, {found['reject']} rejected, {found['missing']} without a verdict in the window"
    bad = f"{found['wrong']} wrong, {found['late_pass']} late PASS, {found['false_ack']} false acknowledges"
    what = {
        "lost": f"every other reply lost, {driver}",
        "noise": f"{found.get('noise', 0):.1%} of all bytes damaged, lost or stray, {driver}",
        "unplug": f"adapter pulled and put back {found.get('times')} times, {driver}",
        "kill": f"SIGKILL and restart {found.get('times')} times, {driver}",
    }[name]
    extra = {
        "unplug": lambda: f"; longest recovery {found['longest_recovery_s']:.2f} s",
        "kill": lambda: f"; last PASS {found['longest_pass_after_kill_s']:.2f} s after a kill",
    }
    return what, f"{found['parts']} parts", f"{bad}; {counts}" + extra.get(name, lambda: "")()


def table(path: Path) -> str:
    rows = [shown(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    head = "| what | how much | what came of it |\n| --- | --- | --- |\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))
