"""radar-edge replay on a journal and frames that a line left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from radar_edge.bundle import open_bundle
from radar_edge.cli import replay
from radar_edge.clock import MonotonicClock
from radar_edge.config import EvidenceConfig
from radar_edge.errors import ShortfallError, UsageError
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image, write_png
from radar_edge.records import Code, Frame, Reason, Verdict
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import Trigger
from radar_edge.scoring import image_score
from radar_edge.simulation.bright import MODALITIES, SIDE, is_bad, write_bundle, write_parts

app = typer.Typer()
replay.register(app)
BOTH, RGB = Subset(MODALITIES), Subset(("rgb",))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of five parts, one of them judged by RGB alone, and the frames of all."""
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "bundle", tmp_path / "home" / "keys")
    write_parts(tmp_path / "parts")
    bundle, clock = open_bundle(tmp_path / "bundle"), MonotonicClock()
    with (
        Journal(tmp_path / "journal.sqlite", clock, {}) as journal,
        Evidence(EvidenceConfig(folder=tmp_path / "kept", keep="all"), journal.run) as kept,
    ):
        for part in range(1, 6):
            subset = RGB if part == 3 else BOTH
            images = {name: read_image(tmp_path / "parts" / name / f"{part:03d}.png") for name in MODALITIES}
            with open_runner("onnxruntime", bundle.path(f"onnx/{subset}_fp32.onnx"), subset, "fp32") as runner:
                inputs = bundle.manifest.preprocess({name: images[name] for name in subset})
                score = image_score(runner.infer(inputs).anomaly_map)
            journal.open_part(part, Trigger(part, clock.now_ns()))
            code, reason = (Code.REJECT, Reason.REVIEW) if is_bad(part) else (Code.PASS, Reason.GOOD)
            journal.intent(part, Verdict(part, code, reason, subset=subset, score=score, threshold=0.5), 1.0)
            frames = {name: Frame(name, image, "camera", 1, 0, part) for name, image in images.items()}
            kept.offer(part, frames, passed=code is Code.PASS)
    return tmp_path


def call(place: Path, *more: str) -> Result:
    arguments = [str(place / "journal.sqlite"), "--bundle", str(place / "bundle"), "--evidence", str(place / "kept")]
    return CliRunner().invoke(app, [*arguments, *more, "--json"])


def last_json(result: Result) -> Any:
    return json.loads(result.stdout.splitlines()[-1])


def test_the_same_frames_give_the_same_verdicts(place: Path) -> None:
    result = call(place)
    assert result.exit_code == 0, result.output
    assert last_json(result) == {"parts": 5, "judged": 5, "differences": []}


def test_a_frame_that_is_another_is_a_difference(place: Path) -> None:
    write_png(place / "kept/1/2/tir.png", np.full((SIDE, SIDE), 65535, np.uint16))
    result = call(place)
    assert isinstance(result.exception, ShortfallError)
    (one,) = last_json(result)["differences"]
    assert (one["part"], one["subset"], one["code_before"], one["code"]) == (2, "rgb_tir", "PASS", "REJECT")
    assert "part 2" in result.stderr


def test_parts_without_frames_are_left_out(place: Path) -> None:
    for path in (place / "kept/1/4").iterdir():
        path.unlink()
    (place / "kept/1/4").rmdir()
    assert last_json(call(place))["judged"] == 4


def test_a_folder_without_frames_is_said(place: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, [str(place / "journal.sqlite"), "--bundle", str(place / "bundle"), "--evidence", str(tmp_path / "nothing")]
    )
    assert isinstance(result.exception, UsageError)
    assert "evidence.folder" in str(result.exception)


def test_a_line_with_products_is_judged_again_product_by_product(place: Path) -> None:
    changed = place / "products.sqlite"
    with Journal(changed, MonotonicClock(), {"products": {"1": "a", "2": "b"}}) as journal:
        for part, number in ((1, 1), (2, 2), (3, 2)):
            journal.event("product", str(number), since_ns=part * 100, bundle="a")
            journal.open_part(part, Trigger(part, part * 100 + 50))
            journal.intent(part, Verdict(part, Code.PASS, Reason.GOOD, subset=BOTH, score=9.0, threshold=0.5), 1.0)

    def parts(*more: str) -> Any:
        arguments = [
            str(changed),
            "--bundle",
            str(place / "bundle"),
            "--evidence",
            str(place / "kept"),
            *more,
            "--json",
        ]
        return CliRunner().invoke(app, arguments)

    assert [last_json(parts("--product", number))["parts"] for number in ("1", "2", "3")] == [1, 2, 0]
    assert isinstance(parts().exception, UsageError)
