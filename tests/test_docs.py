"""What the documents say can be done can be done: commands exist, links lead somewhere, the example loads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from radar_edge.config import LineConfig, ModbusSlaveConfig, load_config
from radar_edge.records import Cause, Code, Reason
from radar_edge.runtime.budget import wire_ms
from radar_edge.runtime.plc.link import StatusBit
from radar_edge.simulation.faults import CAMERA_FAULTS, LINE_FAULTS, FaultPlan
from radar_edge.simulation.rehearsal import check

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh-CN.md")
PAGES = sorted([*(ROOT / name for name in READMES), *ROOT.glob("docs/**/*.md"), ROOT / "CHANGELOG.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    modules = {path.stem.replace("_", "-") for path in (ROOT / "radar_edge/cli").glob("*.py")}
    named = set(re.findall(r"(?:`|\$ )radar-edge ([a-z][a-z-]+)", page.read_text()))
    assert named - modules == set()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in READMES:
        assert set(re.findall(r"`?make ([a-z-]+)", (ROOT / name).read_text())) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_to_fill_in(page: Path) -> None:
    assert "@@" not in page.read_text()


def test_both_languages_show_the_same_commands_and_results() -> None:
    def blocks(name: str) -> list[list[str]]:
        found = re.findall(r"```(?:console|text)\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
        return [[re.split(r"\s{2,}|\s#", line)[0] for line in block.splitlines()] for block in found]

    assert blocks("README.md") == blocks("README.zh-CN.md")


def test_the_example_line_is_valid_and_says_every_default() -> None:
    line = load_config(LineConfig, ROOT / "docs/line.yaml")
    written = yaml.safe_load((ROOT / "docs/line.yaml").read_text())
    unsaid = set(LineConfig.model_fields) - set(written)
    assert unsaid == set()
    assert line.routing.degraded == "may_pass"


def test_the_wire_times_are_those_that_are_computed() -> None:
    text = (ROOT / "docs/plc.md").read_text()
    rows = re.findall(r"^\| (\d+) 8([EN])1 \| ([\d.]+) \|$", text, re.M)
    assert len(rows) == 4
    for baud, parity, ms in rows:
        port = {"driver": "modbus-slave", "port": "x", "baud": int(baud), "parity": {"E": "even", "N": "none"}[parity]}
        assert float(ms) == round(wire_ms(ModbusSlaveConfig.model_validate(port)), 1)


def test_the_drawing_of_the_wire_is_what_its_script_draws(tmp_path: Path) -> None:
    out = tmp_path / "plc-timing.svg"
    subprocess.run([sys.executable, str(ROOT / "tools/draw_plc_timing.py"), str(out)], check=True)
    assert out.read_text() == (ROOT / "docs/images/plc-timing.svg").read_text()


def test_the_runs_of_the_wire_are_those_that_were_recorded() -> None:
    command = [sys.executable, str(ROOT / "tools/plc_results.py"), str(ROOT / "docs/results/plc.jsonl")]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert table in (ROOT / "docs/plc.md").read_text()


def test_the_register_map_names_every_code_reason_and_status_bit() -> None:
    text = (ROOT / "docs/plc.md").read_text()
    for code in Code:
        assert f"{code.value} {'none' if code is Code.NONE else code.name}" in text
    for reason in Reason:
        if reason is not Reason.NONE:
            assert f"{reason.value} {reason.name.lower().replace('_', ' ')}" in text
    for bit in StatusBit:
        assert f"{bit.value} {bit.name.lower()}" in text


def printed(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_engines_is_that_of_the_results() -> None:
    made = printed("tools/engine_results.py", "docs/results/engines.jsonl")
    assert made in (ROOT / "docs/engines.md").read_text()


def test_calibration_records_are_those_of_the_measured_engines() -> None:
    """One a subset of each measured training, and none of a training before it."""
    lines = (ROOT / "docs/results/engines.jsonl").read_text().splitlines()
    measured = {(slug, one["weights_sha256"]) for one in map(json.loads, lines) for slug in one["specialised"]}
    records = [json.loads(path.read_text()) for path in sorted((ROOT / "calibration").glob("*.json"))]
    assert {(record["subset"], record["weights_sha256"]) for record in records} == measured
    assert len(records) == len(measured)


def test_the_tables_of_benchmarks_are_those_of_the_documents() -> None:
    made = printed("tools/accuracy_results.py", "docs/results/accuracy")
    assert made.count("|") > 50
    assert made in (ROOT / "docs/benchmarks.md").read_text(), "tools/accuracy_results.py docs/results/accuracy"


def test_the_tables_of_missing_images_are_those_of_the_documents() -> None:
    made = printed("tools/benchmark_results.py", "docs/results/benchmark")
    assert made.count("|") > 50
    assert made in (ROOT / "docs/benchmarks.md").read_text(), "tools/benchmark_results.py docs/results/benchmark"


def test_the_tables_of_other_modalities_are_those_of_the_document() -> None:
    made = printed("tools/example_mri.py", "--tables", "docs/results/other_modalities.json")
    assert made.count("|") > 50
    assert made in (ROOT / "docs/other-modalities.md").read_text()


@pytest.mark.parametrize("arguments", [[], ["mqtt"]])
def test_the_tables_of_metrics_and_topics_are_those_of_the_code(arguments: list[str]) -> None:
    assert printed("tools/describe_metrics.py", *arguments) in (ROOT / "docs/metrics.md").read_text()


def test_the_figures_of_the_status_page_are_those_that_were_recorded() -> None:
    bench, fuzz = (json.loads(row) for row in (ROOT / "docs/results/page.jsonl").read_text().splitlines())
    text = " ".join((ROOT / "docs/page.md").read_text().split())
    assert f"{min(bench['ratios']):.2f} to {max(bench['ratios']):.2f} times" in text
    assert f"(median {bench['median_ratio']:.2f})" in text
    assert f"of {bench['parts']:,} parts none missed" in text
    assert f"{min(bench['usable_ms']):.0f} to {max(bench['usable_ms']):.0f} ms after it was opened" in text
    assert f"{fuzz['requests']:,} random requests" in text
    assert f"{fuzz['growth_mib']:.1f} MiB" in text
    assert (bench["missed"], bench["wrong"], bench["faults"], fuzz["leaks"], fuzz["files_left"]) == (0, 0, [], 0, 0)


REFERENCE = re.findall(r"^REFERENCE = (.+)$", (ROOT / "Makefile").read_text(), re.M)[0].split()


@pytest.mark.parametrize("page", REFERENCE)
def test_a_page_of_reference_is_what_the_code_says(page: str) -> None:
    if page in ("cli", "training"):  # the one needs torch, the other the workstation's typer
        pytest.importorskip("torch", reason="the device trains nothing")
    assert printed(f"tools/describe_{page}.py") == (ROOT / f"docs/reference/{page}.md").read_text(), "make reference"


def test_every_page_of_reference_is_generated() -> None:
    assert {path.stem for path in ROOT.glob("docs/reference/*.md")} == set(REFERENCE)


def test_the_pictures_of_radar_are_what_their_script_draws(tmp_path: Path) -> None:
    printed("tools/draw_radar.py", str(tmp_path))
    for made in tmp_path.iterdir():
        assert made.read_text() == (ROOT / "docs/images" / made.name).read_text(), made.name


def test_troubleshooting_names_every_cause_and_every_reason() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    assert [cause.value for cause in Cause if f"`{cause.value}`" not in text] == []
    words = {reason: reason.name.lower().replace("_", " ") for reason in Reason if reason is not Reason.NONE}
    assert [word for reason, word in words.items() if reason is not Reason.GOOD and f"`{word}`" not in text] == []


def test_troubleshooting_quotes_messages_that_exist() -> None:
    """The first cells of its tables with more than two words are parts of messages in the package."""
    code = " ".join(path.read_text() for path in (ROOT / "radar_edge").rglob("*.py"))
    plain = re.sub(r"\{[^{}]*\}", "N", code).replace('" "', "")
    quoted = re.findall(
        r"^\| ((?:`[^`]+`(?:, | \.\.\. )?)+)[^|]*\|", (ROOT / "docs/troubleshooting.md").read_text(), re.M
    )
    said = [one for cell in quoted for one in re.findall(r"`([^`]+)`", cell) if len(one.split()) > 2]
    assert len(said) > 30
    assert [one for one in said if one not in plain] == []


def test_the_example_of_faults_names_every_one_and_fits_the_example_line() -> None:
    plan = load_config(FaultPlan, ROOT / "docs/faults.yaml")
    line = load_config(LineConfig, ROOT / "docs/line.yaml")
    assert {fault.fault for fault in plan.faults} == {*CAMERA_FAULTS, *LINE_FAULTS}
    check(line, plan)
