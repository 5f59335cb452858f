"""What judge.py and export.py promise, in the environment that `make venv-bench` makes: by hand, for it has 5 GB."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from radar_edge.inference.onnxruntime_runner import open_session

ROOT = Path(__file__).parent.parent.parent
PEERS = ROOT / "radar_edge" / "benchmark" / "peers"
PYTHON = Path(os.environ.get("RADAR_EDGE_BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))
SIZE_PX, GOOD = 64, 6
WITH_MAPS = {"patchcore": True, "padim": True, "stpm": True, "cutpaste": False, "draem": True}

pytestmark = [
    pytest.mark.skipif(not PYTHON.is_file(), reason=f"no {PYTHON}: make venv-bench, or RADAR_EDGE_BENCH_PYTHON"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GOOD smooth grey pictures, two more, and one with a chequered spot."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name in [*(f"good{n}" for n in range(GOOD)), "plain", "other", "spot"]:
        picture = cv2.GaussianBlur(rng.integers(60, 200, (80, 96), np.uint8), (0, 0), 3)
        if name == "spot":
            picture[20:60, 20:60] = 255 * (np.indices((40, 40)).sum(axis=0) // 4 % 2)
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    return folder


def run(script: str, document: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "job.json").write_text(json.dumps(document))
    command = [str(PYTHON), "-u", str(PEERS / script), str(folder / "job.json")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def judged(images: Path, folder: Path, method: str, names: tuple[str, ...], **changes: Any) -> Any:
    document = {
        "method": method,
        "size_px": SIZE_PX,
        "steps": 1,
        "seed": 3,
        "train": [str(images / f"good{n}.png") for n in range(GOOD)],
        "score": [str(images / f"{name}.png") for name in names],
        "weights": None,
        "model": str(folder / "model"),
        "out": str(folder / "scores.json"),
    }
    return run("judge.py", document | changes, folder)


def answer(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scores.json").read_text())


@pytest.fixture(scope="module", params=list(WITH_MAPS))
def first(request: pytest.FixtureRequest, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(method, its folder after a fit and three scores, what it printed)"""
    folder = tmp_path_factory.mktemp(request.param)
    done = judged(images, folder, request.param, ("plain", "other", "spot"))
    assert (done.returncode, done.stderr) == (0, "")
    return request.param, folder, done.stdout


def test_the_answer_is_as_promised(first: Any) -> None:
    method, folder, _ = first
    given = answer(folder)
    assert set(given) == {"scores", "maps", "fit_seconds", "score_seconds", "cpu_seconds", "versions", "parameters"}
    assert len(set(given["scores"])) == 3
    assert given["parameters"] > 100_000
    assert given["fit_seconds"] > 0
    assert given["score_seconds"] > 0
    assert given["cpu_seconds"] > 0
    assert all(isinstance(value, str) for value in given["versions"].values())
    assert "sha256" in given["versions"]["weights"] or given["versions"]["weights"] == "from scratch"
    assert (given["maps"] is not None) == WITH_MAPS[method]
    if given["maps"]:
        maps = np.load(given["maps"])
        assert maps.dtype == np.float32
        assert maps.shape == (3, SIZE_PX, SIZE_PX)
    assert sorted(path.name for path in (folder / "model").iterdir()) == ["fit.json", "state.pt"]


def test_progress_is_a_line_of_json_each(first: Any) -> None:
    _, _, printed = first
    lines = [json.loads(line) for line in printed.splitlines()]
    assert all(set(line) == {"done", "of", "what"} and 0 < line["done"] <= line["of"] for line in lines)
    assert lines[-1] == {"done": 3, "of": 3, "what": "scored images"}


def test_methods_that_learn_no_weights_find_the_spot(first: Any) -> None:
    method, folder, _ = first
    if method in ("patchcore", "padim"):
        plain, other, spot = answer(folder)["scores"]
        assert spot > 1.2 * max(plain, other)
        maps = np.load(answer(folder)["maps"])
        top, left = np.unravel_index(maps[2].argmax(), maps[2].shape)
        assert 10 <= top <= 54
        assert 8 <= left <= 46


def test_a_finished_fit_is_used_again_in_any_order_of_the_images(first: Any, images: Path) -> None:
    method, folder, _ = first
    before = answer(folder)
    states = {path.name: path.stat().st_mtime_ns for path in (folder / "model").iterdir()}
    done = judged(images, folder, method, ("spot", "plain"), out=str(folder / "again.json"))
    assert done.returncode == 0
    again = json.loads((folder / "again.json").read_text())
    assert again["scores"] == pytest.approx([before["scores"][2], before["scores"][0]], rel=1e-3)
    assert again["fit_seconds"] == before["fit_seconds"]
    assert {path.name: path.stat().st_mtime_ns for path in (folder / "model").iterdir()} == states


def test_a_fit_of_another_job_is_refused(first: Any, images: Path) -> None:
    method, folder, _ = first
    done = judged(images, folder, method, ("plain",), seed=4)
    assert done.returncode == 2
    assert "another job" in json.loads(done.stderr)["error"]


@pytest.mark.parametrize("method", ["padim", "stpm"])
def test_the_same_seed_gives_the_same_scores(method: str, images: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert judged(images, tmp_path / name, method, ("plain", "spot")).returncode == 0
    assert answer(tmp_path / "a")["scores"] == answer(tmp_path / "b")["scores"]


def test_efficientad_wants_a_teacher(images: Path, tmp_path: Path) -> None:
    done = judged(images, tmp_path, "efficientad", ("plain",))
    assert done.returncode == 3
    assert "pretrained_teacher_small.pth" in json.loads(done.stderr)["wanted"]


def test_efficientad_runs_with_a_teacher(images: Path, tmp_path: Path) -> None:
    widths, sides = (3, 128, 256, 256, 384), (4, 4, 3, 4)
    layers = [torch.nn.Conv2d(widths[n], widths[n + 1], sides[n]).state_dict() for n in range(4)]
    state = {f"conv{n + 1}.{key}": value for n, layer in enumerate(layers) for key, value in layer.items()}
    torch.save(state, tmp_path / "teacher.pth")
    weights = str(tmp_path / "teacher.pth")
    small = judged(images, tmp_path / "small", "efficientad", ("plain",), weights=weights)
    assert small.returncode == 2
    done = judged(images, tmp_path / "run", "efficientad", ("plain", "spot"), weights=weights, size_px=256)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(answer(tmp_path / "run")["scores"])) == 2


@pytest.mark.parametrize("method", ["patchcore", "stpm", "cutpaste", "draem"])
def test_weights_that_do_not_fit_are_refused(method: str, images: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pth")
    done = judged(images, tmp_path, method, ("plain",), weights=str(tmp_path / "weights.pth"))
    assert done.returncode == 2
    assert "missing" in json.loads(done.stderr)["found"]


def test_an_image_that_is_none_is_named(images: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    done = judged(images, tmp_path, "patchcore", ("plain",), score=[str(tmp_path / "text.png")])
    assert done.returncode == 2
    assert "text.png" in json.loads(done.stderr)["error"]
    assert not (tmp_path / "scores.json").exists()


@pytest.mark.parametrize("name", ["patchcore", "padim", "stpm", "cutpaste"])
def test_an_exported_network_runs_in_onnx_runtime(name: str, tmp_path: Path) -> None:
    done = run("export.py", {"models": [name], "size_px": 128, "out": str(tmp_path / "out")}, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    note = json.loads((tmp_path / "out" / f"{name}.json").read_text())
    assert set(note) == {"parameters", "what", "versions"}
    session = open_session(tmp_path / "out" / f"{name}.onnx")
    image = np.random.default_rng(0).random((1, 3, 128, 128), np.float32)
    score, *maps = session.run(None, {"image": image})
    assert score.shape == (1,)
    assert [found.shape for found in maps] == ([(1, 1, 128, 128)] if WITH_MAPS[name] else [])
