from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from radar_edge.benchmark.protocol import Assignment, Case, assign, cases, lose, read, write
from radar_edge.data.layouts import Sample
from radar_edge.errors import ConfigError, DatasetError

TWO, THREE = ("rgb", "tir"), ("rgb", "tir", "depth")


def parts(split: str, count: int, modalities: tuple[str, ...] = TWO, cls: str = "good") -> list[Sample]:
    return [Sample(split, cls, f"{n:03}", {name: Path(name) for name in modalities}) for n in range(count)]


SAMPLES = [*parts("train", 41), *parts("validation", 10), *parts("test", 30), *parts("test", 33, cls="hole")]


def case(rate: float = 0.5, missing: str = "both", splits: tuple[str, ...] = ("train", "test"), seed: int = 0) -> Case:
    return Case(rate=rate, missing=missing, splits=splits, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("missing", ["rgb", "tir", "both"])
@pytest.mark.parametrize("splits", [("train",), ("test",), ("train", "test")])
def test_exactly_the_rate_of_each_split_loses_one_modality(rate: float, missing: str, splits: tuple[str, ...]) -> None:
    after = lose(SAMPLES, assign(SAMPLES, TWO, case(rate, missing, splits)))
    for split, count in (("train", 41), ("validation", 10), ("test", 63)):
        lost = round(rate * count) if split in splits else 0
        left = Counter("_".join(sample.paths) for sample in after if sample.split == split)
        of_rgb = {"rgb": lost, "tir": 0, "both": (lost + 1) // 2}[missing]
        assert left == Counter({"rgb_tir": count - lost, "tir": of_rgb, "rgb": lost - of_rgb})
    assert all(sample.paths for sample in after)


def test_of_three_each_loses_one_in_equal_shares() -> None:
    samples = parts("test", 60, THREE)
    table = assign(samples, THREE, case(0.5, "any", ("test",)))
    assert Counter(table.left.values()) == {"tir_depth": 10, "rgb_depth": 10, "rgb_tir": 10}


def test_the_order_of_the_parts_changes_nothing_and_the_seed_does() -> None:
    table = assign(SAMPLES, TWO, case())
    assert assign(SAMPLES[::-1], TWO, case()) == table
    assert assign(SAMPLES, TWO, case(seed=1)).left != table.left
    # Fixed for ever: tables of older runs can be drawn again.
    assert sorted(assign(parts("test", 6), TWO, case(splits=("test",))).left.items()) == FIRST_TABLE


def test_a_higher_rate_only_adds_parts() -> None:
    low, high = (assign(SAMPLES, TWO, case(rate)).left for rate in (0.3, 0.7))
    assert low.items() < high.items()


def test_parts_that_lack_a_modality_lose_no_other() -> None:
    samples = [*parts("test", 10), Sample("test", "good", "alone", {"tir": Path("tir")})]
    table = assign(samples, TWO, case(0.9, "rgb", ("test",)))
    assert len(table.left) == 9
    assert "test/good/alone" not in table.left


def test_every_case_once() -> None:
    found = list(cases(TWO))
    assert len(found) == len({one.slug for one in found}) == 3 * 3 * 3 * 3
    assert found[0].slug == "rgb-30-train-0"


def test_a_table_is_kept_as_it_is(tmp_path: Path) -> None:
    table = assign(SAMPLES, TWO, case())
    write(table, tmp_path / "a.json")
    assert read(tmp_path / "a.json") == table
    again = tmp_path / "b.json"
    write(read(tmp_path / "a.json"), again)
    assert again.read_bytes() == (tmp_path / "a.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"left": {"test/good/000": "rgb_tir"}}, "these parts lose nothing: test/good/000"),
        ({"left": {"test/good/000": ""}}, "this is not a subset of the model's modalities"),
        ({"schema_version": 2}, "schema_version: Input should be 1"),
        ({"seed": 1}, "seed: Extra inputs are not permitted"),
    ],
)
def test_a_table_that_cannot_be(tmp_path: Path, change: dict[str, object], fault: str) -> None:
    document = assign(SAMPLES, TWO, case()).model_dump(mode="json") | change
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "a.json")
    assert fault in caught.value.faults[0]


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_file_that_is_no_table(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError):
        read(tmp_path / "a.json")


def test_a_table_of_another_set_lists_every_part(tmp_path: Path) -> None:
    table = Assignment(case=case(), modalities=TWO, left={"test/good/999": "rgb", "test/good/alone": "rgb"})
    samples = [*SAMPLES, Sample("test", "good", "alone", {"tir": Path("tir")})]
    with pytest.raises(DatasetError) as caught:
        lose(samples, table)
    assert caught.value.faults == ("test/good/999 is not in the set", "test/good/alone has no rgb")


@pytest.mark.parametrize(
    ("modalities", "wrong"), [(("rgb",), case(missing="rgb")), (TWO, case(missing="depth")), (TWO, case(missing="any"))]
)
def test_what_cannot_be_lost_is_refused(modalities: tuple[str, ...], wrong: Case) -> None:
    with pytest.raises(DatasetError, match="cannot lose this"):
        assign(SAMPLES, modalities, wrong)


def test_a_split_without_complete_parts() -> None:
    with pytest.raises(DatasetError, match="train has no part with all of rgb, tir"):
        assign(parts("test", 5), TWO, case())


FIRST_TABLE = [("test/good/000", "rgb"), ("test/good/001", "tir"), ("test/good/004", "tir")]
