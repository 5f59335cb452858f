"""tools/accuracy.py on a few parts and steps: what it writes, that it does nothing twice, what it judges again."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import accuracy
import numpy as np
import pytest
from accuracy_jobs import fit

from radar_edge.data.layouts import index
from radar_edge.errors import UsageError
from radar_edge.preprocess import write_png
from radar_edge.training import train as training

ROOT = Path(__file__).parents[2]
JOBS = ["default", "a11-placeholder"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of noise: 38 good parts to train on, 4 good and 4 marked ones to test, half of them said to be dark."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = ["split,cls,name,dark"]

    def part(folder: Path, name: str, *, marked: bool) -> None:
        rgb = rng.integers(0, 255, (64, 64, 3), np.uint8)
        tir = rng.integers(30000, 30500, (32, 32), np.uint16)
        if marked:
            rgb[20:40, 20:40] = 0
            mask = np.zeros((64, 64), np.uint8)
            mask[20:40, 20:40] = 255
            write_png(folder / "gt" / f"{name}.png", mask)
        write_png(folder / "rgb" / f"{name}.png", rgb)
        write_png(folder / "tir" / f"{name}.png", tir)

    for n in range(38):
        part(root / "train" / "good", f"{n:03d}", marked=False)
        rows.append(f"train,good,{n:03d},0")
    for n in range(4):
        for cls in ("good", "spot"):
            part(root / "test" / cls, f"{n:03d}", marked=cls == "spot")
            rows.append(f"test,{cls},{n:03d},{n % 2}")
    (root / "samples.csv").write_text("\n".join(rows) + "\n")
    return root


def ran(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


SMALL = {"size_px": 32, "features": 8, "shared": 8, "batch_size": 4}
"""What the preset is here, in this process."""


@pytest.fixture(scope="module", autouse=True)
def small_preset() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.PRESETS, "quick", SMALL)
        yield


def tool(*command: str) -> str:
    """tools/accuracy.py in this process, which has PyTorch loaded."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out):
        patch.setattr(sys, "argv", list(command))
        accuracy.main()
    return out.getvalue()


@pytest.fixture(scope="module")
def job(data: Path, small_preset: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """The command of a training and what judges with it, run once; and the folder of its documents."""
    work = tmp_path_factory.mktemp("accuracy")
    out = work / "out"
    command = [str(ROOT / "tools/accuracy.py"), "--data", f"noise={data}", "--work", str(work / "w"), "--out", str(out)]
    command += ["--steps", "4", "--configuration", *JOBS]
    assert len(tool(*command).splitlines()) == len(JOBS)
    return command, out


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def test_jobs_write_their_documents_once_and_share_a_training(job: tuple[list[str], Path], data: Path) -> None:
    command, out = job
    found = {name: read(out / f"noise-{name}-0.json") for name in JOBS}
    assert len({one["weights_sha256"] for one in found.values()}) == 1
    for one in found.values():
        assert set(one["subsets"]) == {"rgb", "tir", "rgb_tir"}
        assert set(one["dark_rgb"]) == {"tir", "rgb_tir"}
        assert all(0 <= subset["image_auroc"] <= 1 for subset in one["subsets"].values())
        assert str(data) not in json.dumps(one)
    alike = [found[name]["subsets"]["rgb_tir"]["image_auroc"] for name in JOBS]
    assert alike[0] == alike[1]
    assert tool(*command) == ""


def test_the_recipe_is_held_against_what_knows_nothing(job: tuple[list[str], Path]) -> None:
    document = read(job[1] / "noise-default-0.json")
    for slug, figures in document["subsets"].items():
        assert {"untrained", *(f"background_brightness.{name}" for name in slug.split("_"))} == set(figures["controls"])
        assert set(figures["strata"]["dark"]) == {"0", "1"}
        for stratum in figures["strata"]["dark"].values():
            assert (stratum["good"], stratum["defects"]) == (2, 2)
            assert set(stratum["baselines"]) == set(figures["baselines"])
    # The marks are black: the picture's mean gives them away in the darker direction.
    assert document["subsets"]["rgb"]["baselines"]["rgb.mean"]["image_auroc"] == 1
    assert document["subsets"]["rgb"]["baselines"]["rgb.mean"]["defects_are"] == "lower"
    assert "rgb.mean" in document["subsets"]["rgb"]["beaten_by"] or document["subsets"]["rgb"]["image_auroc"] == 1
    dark = document["dark_rgb"]
    assert document["dark_rgb_difference"] == pytest.approx(dark["rgb_tir"] - dark["tir"])
    rows = [row for row in document["missing"]["rows"] if row["rate"] == 0.7]
    assert [row["missing"] for row in rows] == ["rgb", "tir", "both"]
    assert all(row["gain"] == pytest.approx(row["calibrated"] - row["placeholder"]) for row in rows)
    # Nothing says which camera shows the mark.
    assert all(row["perfect"] is None for row in rows)


def test_an_older_document_is_made_again_without_a_training(job: tuple[list[str], Path]) -> None:
    command, out = job
    path, run = out / "noise-a11-placeholder-0.json", Path(command[4]) / "noise-0" / "default" / "run.json"
    made, trained = path.read_text(), run.stat().st_mtime_ns
    old = {key: value for key, value in read(path).items() if key != "schema_version"}
    path.write_text(json.dumps(old))
    assert tool(*command) == "noise-a11-placeholder-0\n"
    assert path.read_text() == made
    assert run.stat().st_mtime_ns == trained


def test_a_kept_training_of_another_configuration_is_refused(job: tuple[list[str], Path], tmp_path: Path) -> None:
    command = [*job[0], "--steps", "5", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "steps 4" in done.stderr
    assert "steps 5" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_kept_training_from_before_the_texture_had_a_weight_had_the_default(
    job: tuple[list[str], Path], data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(Path(job[0][4]) / "noise-0" / "default", folder)
    document = read(folder / "run.json")
    config = document["config"]
    for part in ("config", "model"):
        document[part] = {key: value for key, value in document[part].items() if key != "texture_weight"}
    (folder / "run.json").write_text(json.dumps(document))
    same = training.TrainConfig.model_validate(config)
    assert fit(index(data), folder, same, lambda *_: None).model.config.texture_weight == 1
    with pytest.raises(UsageError, match=r"texture_weight 1\.0"):
        fit(index(data), folder, same.model_copy(update={"texture_weight": 0.75}), lambda *_: None)


def test_a_kept_training_on_other_images_is_refused(
    job: tuple[list[str], Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "data"
    shutil.copytree(data, other)
    write_png(other / "train" / "good" / "rgb" / "000.png", np.zeros((64, 64, 3), np.uint8))
    command = [*job[0][:2], f"noise={other}", *job[0][3:], "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        tool(*command)
    assert ended.value.code == 2
    assert "other good parts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_tables_show_figure_and_controls(job: tuple[list[str], Path]) -> None:
    tables = ran(str(ROOT / "tools/accuracy_results.py"), str(job[1]))
    assert "| noise | quick | A11 one engine, zeros for what is absent | 1 | " in tables
    assert "| noise | quick | control: the network untrained | 1 | rgb " in tables
    assert "| noise | quick | dark = 1 | tir | 2 + 2 | 1 | " in tables
    assert "1.000 (rgb.mean lower)" in tables
    assert "| noise | quick | one or the other | 1 | " in tables


def test_figures_over_seeds_stay_where_scores_are_lacking(job: tuple[list[str], Path], tmp_path: Path) -> None:
    command, out = job
    elsewhere = tmp_path / "out"
    elsewhere.mkdir()
    for path in out.iterdir():
        (elsewhere / path.name).write_bytes(path.read_bytes())
    said = tool(*command, "--work", str(tmp_path / "nothing"), "--out", str(elsewhere))
    assert said.startswith("noise-seeds.json stays as it is")
    assert (elsewhere / "noise-seeds.json").read_bytes() == (out / "noise-seeds.json").read_bytes()
