"""The demo's own decisions; `.ci/run` runs the demo itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radar_edge.cli.demo import ANYWHERE, demo, line_parts, new_demo_folder, shortfalls, truth_of
from radar_edge.data.layouts import Dataset, Sample
from radar_edge.errors import DatasetError, StorageError, UsageError
from radar_edge.modality import Subset


def sample(cls: str, n: int, *names: str, visible_in: Subset | None = None) -> Sample:
    return Sample("test", cls, str(n), {name: Path(name) for name in names or ("rgb", "tir")}, visible_in=visible_in)


def dataset(*samples: Sample) -> Dataset:
    return Dataset(Path(), ("rgb", "tir"), {}, samples)


def result(**changes: Any) -> dict[str, Any]:
    whole = {
        "auroc": {"rgb": 0.95, "tir": 0.95, "rgb_tir": 0.95},
        "lost": "tir",
        "failover_ms": 140.0,
        "missing_verdicts": 0,
        "late_verdicts": 0,
        "false_ack": 0,
        "phases": {
            "before": {"engines": {"rgb_tir": 100}},
            "during": {"engines": {"rgb": 98, "rgb_tir": 2}},
            "after": {"engines": {"rgb_tir": 90, "rgb": 10}},
        },
    }
    return {**whole, **changes}


def test_two_good_parts_to_a_defect_and_always_the_same_order() -> None:
    parts = dataset(*(sample("good", n) for n in range(5)), *(sample("scratch", n) for n in range(3)))
    first, again = line_parts(parts, 30), line_parts(parts, 30)
    assert first == again
    assert [s.is_good for s in first[:6]] == [True, True, False] * 2
    assert len({s.key for s in first}) == 8


def test_a_part_that_lacks_a_modality_is_not_put_on_the_line() -> None:
    parts = dataset(sample("good", 0), sample("good", 1, "rgb"), sample("scratch", 0))
    assert {s.key for s in line_parts(parts, 12)} == {"test/good/0", "test/scratch/0"}
    with pytest.raises(DatasetError, match="0 defective"):
        line_parts(dataset(sample("good", 0)), 10)


def test_where_a_defect_shows_is_said_or_left_open() -> None:
    assert truth_of(sample("void", 0, visible_in=Subset(("tir",)))) == "tir"
    assert truth_of(sample("void", 0)) == ANYWHERE


def test_a_good_demo_has_no_shortfall() -> None:
    assert shortfalls(result(), generated=True) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"auroc": {"rgb": 0.89, "tir": 0.95, "rgb_tir": 0.95}}, "AUROC of rgb is 0.890"),
        ({"missing_verdicts": 1}, "missing verdicts: 1"),
        ({"late_verdicts": 2}, "late verdicts: 2"),
        ({"false_ack": 3}, "false ack: 3"),
        ({"failover_ms": None}, "no part was judged without the tir camera"),
        (
            {"phases": {k: {"engines": {"rgb_tir": 5}} for k in ("before", "during", "after")}},
            "no other engine judged during the loss",
        ),
        (
            {"phases": {k: {"engines": {"rgb": 5}} for k in ("before", "during", "after")}},
            "the rgb_tir engine did not judge before the loss and again after it",
        ),
    ],
)
def test_each_promise_that_is_not_kept_is_named(changes: dict[str, Any], says: str) -> None:
    assert says in " ".join(shortfalls(result(**changes), generated=True))


def test_a_users_own_images_have_no_bar() -> None:
    poor = result(auroc={"rgb": 0.5, "tir": 0.5, "rgb_tir": 0.5})
    assert shortfalls(poor, generated=False) == []


def test_the_users_images_are_looked_at_before_anything_is_emptied(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    with new_demo_folder(out):
        (out / "data").mkdir()
    with pytest.raises(UsageError, match="which a demo empties"):
        demo(data=out / "data", out=out)
    with pytest.raises(DatasetError, match="train/good"):
        demo(data=tmp_path / "mistyped", out=out)
    assert (out / "data").exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), new_demo_folder(tmp_path / "file"):
        pass


def test_only_a_demo_s_own_folder_is_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "work").write_text("x")
    with pytest.raises(UsageError, match="not made by a demo"), new_demo_folder(precious):
        pass
    assert (precious / "work").exists()
    for _ in range(2):
        with new_demo_folder(tmp_path / "demo") as folder:
            (folder / "old").touch()
    assert (tmp_path / "demo" / "old").exists()
