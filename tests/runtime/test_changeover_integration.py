"""A changeover as the PLC does it: real processes, a pty, two bundles that judge the same parts the other way round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml
from line_fakes import wait_until

from radar_edge.runtime.journal_file import read_events, read_runs
from radar_edge.scoring import Calibration
from radar_edge.simulation.bright import PATIENT, write_bundle, write_parts
from radar_edge.simulation.cable import Cable
from radar_edge.simulation.example_line import line_document

PARTS, PERIOD_MS = 60, 150
PASS, REJECT, NO_DECISION, CHANGEOVER = 1, 2, 3, 18
NOTHING_PASSES = Calibration(
    scores=(-3.0, -2.5, -2.0),
    weights=(1.0,) * 3,
    groups=3,
    target_frr=0.3,
    threshold=-1.5,
    ng_frr=0.3,
    ng_threshold=-1.0,
)
COMMANDS = ("0:2:1", "15:2:2", "30:2:9", "40:2:1", "50:1:1")
"""Product 1, 2, one that is not there, 1 again, and a reset."""


def test_no_verdict_of_the_former_product_after_the_command(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", tmp_path / "home/keys")
    write_bundle(tmp_path / "strict", tmp_path / "home/keys", NOTHING_PASSES)
    write_parts(tmp_path / "parts")
    for name in ("rgb", "tir"):
        (tmp_path / f"parts/{name}/005.png").unlink()  # good parts are left
    environment = {**os.environ, "RADAR_EDGE_HOME": str(tmp_path / "home")}
    with Cable() as cable:
        document = {**line_document(str(cable.a)), **PATIENT, "products": {1: "bundle", 2: "strict"}}
        (tmp_path / "line.yaml").write_text(yaml.safe_dump(document))
        run = [sys.executable, "-m", "radar_edge", "run", str(tmp_path / "line.yaml"), "--json"]
        plc = [sys.executable, "-m", "radar_edge.simulation.plc", "--port", str(cable.b), "--parts", str(PARTS)]
        plc += ["--period-ms", str(PERIOD_MS), "--window-ms", "3000", "--out", str(tmp_path / "plc.jsonl")]
        plc += [word for command in COMMANDS for word in ("--command", command)]
        with subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as line:
            try:
                wait_until(lambda: (tmp_path / "state.json").exists(), 30)
                done = subprocess.run(plc, capture_output=True, text=True, timeout=90)
            finally:
                line.terminate()
                out, text = line.communicate(timeout=20)
    assert (done.returncode, line.returncode) == (0, 0), done.stderr + text
    summary = json.loads(done.stdout.splitlines()[-1])
    rows = [json.loads(row) for row in (tmp_path / "plc.jsonl").read_text().splitlines()]
    check_parts(rows, [one["told_ns"] for one in summary["commands"]])
    assert (summary["parts"], summary["false_ack"], summary["late_pass"]) == (PARTS, 0, 0)
    check_journal(tmp_path / "journal.sqlite", json.loads(out.splitlines()[-1]))


def check_parts(rows: list[dict], told_ns: list[int]) -> None:
    """By what the PLC saw: after it was told of a command no part has a verdict of the product before.

    A machine that stalls may cost parts their verdict (code None), which rejects them; never another's verdict.
    """
    first, strict, unknown, again, reset = told_ns
    phases = {"first": (first, strict), "strict": (strict, unknown), "none": (unknown, again), "again": (again, 2**63)}
    # A part is announced on the belt; `told_ns` is when the product had its id, in the order of the wire.
    seen = {
        name: [row for row in rows if row["told_ns"] is not None and begin < row["told_ns"] <= end]
        for name, (begin, end) in phases.items()
    }
    nothing = {NO_DECISION, None}
    assert {row["code"] for row in seen["first"]} <= {PASS, *nothing}
    assert {row["code"] for row in seen["strict"]} <= {REJECT, *nothing}
    assert {row["code"] for row in seen["none"]} <= nothing
    assert {row["code"] for row in seen["again"]} <= {PASS, *nothing}
    assert PASS in {row["code"] for row in seen["first"]}
    assert REJECT in {row["code"] for row in seen["strict"]}
    assert CHANGEOVER in {row["reason"] for row in seen["none"]}
    after_reset = {row["code"] for row in rows if (row["told_ns"] or 0) > reset}
    assert PASS in after_reset, "a reset interrupts nothing"


def check_journal(journal: Path, state: dict) -> None:
    assert state["product"] == 1
    events = [event for event in read_events(journal) if event["kind"] in ("product", "product_selected", "command")]
    told = [(event["kind"], event["subject"]) for event in events]
    changes = [("product_selected", "1"), ("product", "1"), ("product_selected", "2"), ("product", "2")]
    changes += [("product_selected", "9"), ("product_selected", "1"), ("product", "1"), ("command", "reset")]
    assert told == changes
    facts = read_runs(journal)[-1]["facts"]["products"]
    assert [event["detail"]["bundle"] for event in events if event["kind"] == "product"] == [
        facts["1"],
        facts["2"],
        facts["1"],
    ]
