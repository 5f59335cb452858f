"""What the script of the external detectors promises. Test modules subclass JudgeContract and name the script."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radar_edge.benchmark.peer_call import Answer, call, read_answer, read_maps
from radar_edge.errors import UsageError
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.preprocess import write_png

SIZE_PX = 64
GOOD, ASKED = 4, 3


def picture(seed: int, *, marked: bool) -> np.ndarray:
    image = np.random.default_rng(seed).integers(110, 130, (80, 96, 3), np.uint8)
    if marked:
        image[20:60, 20:60] = 255 * (np.indices((40, 40)).sum(axis=0) % 2)[..., None]
    return image


class JudgeContract:
    python: Path
    script: Path
    method: str
    steps: int | None = 2
    with_maps = True

    @pytest.fixture(scope="class")
    @classmethod
    def images(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """GOOD good pictures, ASKED to be scored, of which the last is marked."""
        folder = tmp_path_factory.mktemp("images")
        for n in range(GOOD):
            write_png(folder / f"good{n}.png", picture(n, marked=False))
        for n in range(ASKED):
            write_png(folder / f"asked{n}.png", picture(100 + n, marked=n == ASKED - 1))
        return folder

    @classmethod
    def job(cls, images: Path, folder: Path, asked: list[int]) -> Path:
        document: dict[str, Any] = {
            "method": cls.method,
            "size_px": SIZE_PX,
            "steps": cls.steps,
            "seed": 0,
            "train": [str(images / f"good{n}.png") for n in range(GOOD)],
            "score": [str(images / f"asked{n}.png") for n in asked],
            "weights": None,
            "model": str(folder / "model"),
            "out": str(folder / "scores.json"),
        }
        folder.mkdir(exist_ok=True)
        (folder / "job.json").write_text(json.dumps(document))
        return folder / "job.json"

    @classmethod
    def answer(cls, job: Path, count: int, seen: list[tuple[str, int, int]] | None = None) -> Answer:
        noted = [] if seen is None else seen
        call(cls.python, cls.script, job, "stage", lambda *step: noted.append(step))
        return read_answer(job.with_name("scores.json"), count)

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, images: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Path, list[Any]]:
        """What it says of all pictures, the job's folder, and the progress on the way."""
        folder = tmp_path_factory.mktemp("job")
        seen: list[Any] = []
        return cls.answer(cls.job(images, folder, list(range(ASKED))), ASKED, seen), folder, seen

    def test_a_score_for_each_path_and_what_it_took(self, first: tuple[Answer, Path, list[Any]]) -> None:
        answer, _, _ = first
        assert len(answer.scores) == ASKED
        assert len(set(answer.scores)) == ASKED
        assert answer.cpu_seconds >= 0
        assert answer.versions

    def test_maps_of_every_path_or_none(self, first: tuple[Answer, Path, list[Any]]) -> None:
        answer, folder, _ = first
        assert (answer.maps is not None) == self.with_maps
        if answer.maps is not None:
            assert np.load(folder / answer.maps).dtype == np.float32
            assert read_maps(folder / answer.maps, ASKED).shape == (ASKED, MAP_SIDE, MAP_SIDE)

    def test_progress_on_the_way(self, first: tuple[Answer, Path, list[Any]]) -> None:
        _, _, seen = first
        assert all(stage.startswith("stage: ") and 0 <= done <= of for stage, done, of in seen)
        assert seen

    def test_scores_keep_the_order_of_the_paths_and_a_finished_fit_is_used_again(
        self, first: tuple[Answer, Path, list[Any]], images: Path, tmp_path: Path
    ) -> None:
        answer, folder, _ = first
        shutil.copytree(folder / "model", tmp_path / "model")
        kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()}
        again = self.answer(self.job(images, tmp_path, [2, 0]), 2)
        assert again.scores == pytest.approx([answer.scores[2], answer.scores[0]], rel=1e-4)
        assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "model").iterdir()} == kept

    def test_an_absent_image_is_the_users_mistake_and_named(self, images: Path, tmp_path: Path) -> None:
        job = self.job(images, tmp_path, [0, 99])
        with pytest.raises(UsageError) as caught:
            self.answer(job, 2)
        assert "asked99.png" in caught.value.render()
        assert not (tmp_path / "scores.json").exists()
