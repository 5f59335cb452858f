"""The pieces of tools/accuracy.py: what trainings say together, the equalised copy, bars, tables."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accuracy import Set, jobs_of, sets_of
from accuracy_bars import BARS, Bar, Found, bars_table
from accuracy_comparisons import ablation_table, one_or_many_table
from accuracy_controls import perfect
from accuracy_documents import Results, best_line, read
from accuracy_equalised import LEVEL, equalised, write_equalised
from accuracy_job import Job
from accuracy_jobs import late_fusion
from accuracy_seeds import ALONE, LATE, RECIPE, Scores, over_seeds, read_scores, write_scores
from accuracy_tables import recipe_table, strata_table

from radar_edge.data.kinds import ModalitySpec
from radar_edge.data.layouts import Dataset, Sample, index
from radar_edge.errors import ConfigError, DatasetError, RunError, UsageError
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.metrics import auroc
from radar_edge.evaluation.scalars import BACKGROUND, scalars
from radar_edge.modality import Subset
from radar_edge.preprocess import read_image, write_png
from radar_edge.training import train as training
from radar_edge.training.train import TrainConfig

PARTS = 120
DEFECTIVE = tuple(n % 2 == 1 for n in range(PARTS))


def scores(apart: float, seed: int, parts: int = PARTS) -> Scores:
    """Noise with defects `apart` higher; groups of two, one good and one defective."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=parts) + apart * np.array(DEFECTIVE[:parts])
    keys, groups = tuple(str(n) for n in range(parts)), tuple(str(n // 2) for n in range(parts))
    dark = tuple(str(n // 2 % 2) for n in range(parts))
    return Scores(keys, groups, DEFECTIVE[:parts], tuple(values.tolist()), {"dark": dark})


def three(rgb: float, tir: float, both: float, seed: int) -> dict[str, Scores]:
    return {
        "rgb": scores(rgb, seed),
        "tir": scores(tir, seed + 100),
        "rgb_tir": scores(both, seed + 200),
    }


@pytest.fixture(scope="module")
def together() -> dict[str, Any]:
    """One model as good as networks of their own, but for tir, where it is far worse; late fusion knows less."""
    return over_seeds(
        {
            RECIPE: {0: three(1.0, 0.2, 2.5, 0), 1: three(1.0, 0.2, 2.5, 1)},
            LATE: {0: three(1.0, 2.5, 1.0, 0), 1: three(1.0, 2.5, 1.0, 1), 2: three(9, 9, 9, 2)},
            ALONE: {0: three(0, 0, 2.5, 0), 1: three(0, 0, 2.5, 1)},
        }
    )


def test_each_subset_is_held_against_the_network_that_was_trained_for_it_alone(together: dict[str, Any]) -> None:
    rows = {row["subset"]: row for row in together["one_or_many"]}
    assert set(rows) == {"rgb", "tir", "rgb_tir"}
    # The same scores on both sides: late fusion's for one camera, the training without dropout for both.
    assert rows["rgb"]["difference"] == rows["rgb_tir"]["difference"] == 0
    assert rows["tir"]["difference"] < -0.3
    assert rows["tir"]["difference_ci"][1] < -0.2
    assert together["late_fusion"]["subset"] == "rgb_tir"
    assert together["late_fusion"]["difference_ci"][0] > 0


def test_only_paired_seeds_count(together: dict[str, Any]) -> None:
    assert {tuple(row["seeds"]) for row in together["one_or_many"]} == {(0, 1)}
    assert together["configurations"][LATE]["seeds"] == [0, 1, 2]


def test_the_mean_over_seeds_and_its_interval(together: dict[str, Any]) -> None:
    found = together["configurations"][RECIPE]["subsets"]["rgb"]
    each = [auroc(np.array(scores(1.0, seed).scores), np.array(DEFECTIVE)) for seed in (0, 1)]
    assert found["image_auroc"] == pytest.approx(np.mean([one for one in each if one is not None]))
    assert found["image_auroc_ci"][0] < found["image_auroc"] < found["image_auroc_ci"][1]
    assert set(found["strata"]["dark"]) == {"0", "1"}
    assert together["configurations"][LATE]["less_recipe"]["tir"]["difference"] > 0.3
    assert together["configurations"][RECIPE]["less_recipe"] == {}


def test_trainings_on_other_parts_have_no_difference() -> None:
    with pytest.raises(ValueError, match="different parts"):
        over_seeds({RECIPE: {0: {"rgb": scores(1, 0)}, 1: {"rgb": scores(1, 1, PARTS - 2)}}})


def test_scores_come_back_as_they_were_kept(tmp_path: Path) -> None:
    def part(cls: str, score: float, visible_in: Subset | None = None) -> Judged:
        sample = Sample("test", cls, "a", {}, group="g", visible_in=visible_in, strata={"dark": "1", "lot": "7"})
        return Judged(sample, score, np.zeros((0, 0), np.float32), None)

    rgb, path = Subset(("rgb",)), tmp_path / "a.scores.json"
    write_scores(path, {rgb: [part("good", 0.1), part("hole", 0.9), part("cold", 0.5, Subset(("tir",)))]}, ["dark"])
    kept = read_scores(path)
    assert kept is not None
    # What rgb does not show is not asked of it.
    assert kept["rgb"] == Scores(
        ("test/good/a", "test/hole/a"), ("g", "g"), (False, True), (0.1, 0.9), {"dark": ("1", "1")}
    )
    assert read_scores(tmp_path / "none.json") is None
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match="is no document"):
        read_scores(path)


def test_late_fusion_of_parts_that_lack_an_image_is_refused_before_any_training(tmp_path: Path) -> None:
    for split, names in (("train", ("rgb", "tir")), ("test", ("rgb",))):
        for name in names:
            write_png(tmp_path / "set" / split / "good" / name / "0.png", np.zeros((32, 32), np.uint8))
    dataset = index(tmp_path / "set")
    config = TrainConfig(size_px=32, steps=2, warm_up_steps=0)
    job = Job("set", LATE, config, tmp_path / "work", tmp_path / "out")
    with pytest.raises(UsageError, match="test/good/0"):
        late_fusion(dataset, job, lambda *_: None)
    assert not job.work.exists()


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 3)])
@pytest.mark.parametrize("light", [90, 187, 230])
def test_an_equalised_image_has_the_background_of_all(shape: tuple[int, ...], light: int) -> None:
    image = np.full(shape, light, np.uint8)
    image[15:25, 15:25] = light // 2
    changed = equalised(image)
    assert scalars(changed)[BACKGROUND] == pytest.approx(LEVEL, abs=0.5)
    assert float(changed[20, 20].mean()) == pytest.approx(LEVEL / 2, rel=0.02)


def test_an_equalised_copy_keeps_names_masks_and_texts(tmp_path: Path) -> None:
    source, rng = tmp_path / "set", np.random.default_rng(0)
    rows = ["split,cls,name,group"]
    for split, cls, light in (("train", "good", 200), ("test", "good", 180), ("test", "hole", 220)):
        for n in range(3):
            image = np.clip(rng.normal(light, 2, (32, 32)), 0, 255).astype(np.uint8)
            write_png(source / split / cls / "rgb" / f"{n}.png", image)
            rows.append(f"{split},{cls},{n},{split}-{n}")
    write_png(source / "test" / "hole" / "gt" / "0.png", np.full((32, 32), 255, np.uint8))
    (source / "samples.csv").write_text("\n".join(rows) + "\n")
    write_equalised(source, tmp_path / "copy")
    before, after = index(source), index(tmp_path / "copy")
    assert [s.key for s in after.samples] == [s.key for s in before.samples]
    assert [s.group for s in after.samples] == [s.group for s in before.samples]
    assert sum(s.mask is not None for s in after.samples) == 1
    levels = {scalars(read_image(s.paths["rgb"]))[BACKGROUND] for s in after.samples}
    assert levels == {LEVEL}


def test_thermal_counts_are_not_equalised(tmp_path: Path) -> None:
    write_png(tmp_path / "set/train/good/tir/a.png", np.full((16, 16), 30000, np.uint16))
    with pytest.raises(DatasetError, match=r"a\.png"):
        write_equalised(tmp_path / "set", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_set_that_leaks_is_followed_by_its_equalised_copy(tmp_path: Path) -> None:
    found = sets_of(["a=/x", "b=/y"], ["a"], tmp_path)
    assert found == [Set("a", Path("/x")), Set("a_equalised", tmp_path / "a_equalised", LEVEL), Set("b", Path("/y"))]


@pytest.mark.parametrize(
    ("pairs", "equalise"),
    [
        (["folder"], None),
        (["=folder"], None),
        (["set="], None),
        (["a/b=folder"], None),
        (["a=x", "a=y"], None),
        (["a=x"], ["b"]),
    ],
)
def test_sets_that_cannot_be_told_apart_or_found_are_refused(
    tmp_path: Path, pairs: list[str], equalise: list[str] | None
) -> None:
    with pytest.raises(UsageError):
        sets_of(pairs, equalise, tmp_path)


def test_the_set_that_is_known_to_leak_is_equalised_unasked(tmp_path: Path) -> None:
    pairs = ["mvtec_screw=/x", "b=/y"]
    assert [one.name for one in sets_of(pairs, None, tmp_path)] == ["mvtec_screw", "mvtec_screw_equalised", "b"]
    assert [one.name for one in sets_of(pairs, [], tmp_path)] == ["mvtec_screw", "b"]


def test_a_perfect_detector_sees_no_more_than_its_cameras_show() -> None:
    def part(cls: str, visible_in: Subset | None) -> Judged:
        sample = Sample("test", cls, "a", {}, visible_in=visible_in)
        return Judged(sample, 0.5, np.zeros((0, 0), np.float32), None)

    rgb, both = Subset(("rgb",)), Subset(("rgb", "tir"))
    parts = [part("good", None), part("hole", rgb), part("void", Subset(("tir",))), part("dent", None)]
    found = perfect({rgb: parts, both: parts})
    assert [p.score for p in found[rgb]] == [0, 1, 0, 1]
    assert [p.score for p in found[both]] == [0, 1, 1, 1]


def pictures(side_px: int) -> Dataset:
    """A set of one camera whose images are that high, and half as wide."""
    return Dataset(Path("a"), ("rgb",), {"rgb": ModalitySpec(3, 8, side_px, side_px // 2)}, ())


@pytest.mark.parametrize(("largest_px", "side_px"), [(1000, 256), (256, 256), (160, 160), (150, 160), (20, 32)])
def test_no_preset_enlarges_every_picture(largest_px: int, side_px: int) -> None:
    preset = training.preset_for("full", pictures(largest_px))
    assert {**training.PRESETS["full"], "size_px": side_px} == preset
    assert training.TrainConfig.model_validate(preset).size_px == side_px


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 1}, {"seed": [-1]}])
def test_settings_that_no_training_has_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    said = {"configuration": ["default"], "seed": [0], "steps": None, "work": tmp_path, "preset": "quick"}
    with pytest.raises(ConfigError):
        jobs_of(Namespace(**{**said, **wrong}, out=tmp_path), Set("a", tmp_path), pictures(1000))


def test_each_preset_has_its_own_files(tmp_path: Path) -> None:
    said = {"configuration": ["default", "a4-no-dropout"], "seed": [0, 3], "steps": None, "work": tmp_path / "w"}
    quick, full = (
        jobs_of(Namespace(**said, preset=preset, out=tmp_path), Set("a", tmp_path), pictures(1000))
        for preset in ("quick", "full")
    )
    assert [job.document.name for job in quick][:2] == ["a-default-0.json", "a-a4-no-dropout-0.json"]
    assert [job.document.name for job in full][2:] == ["a-default-full-3.json", "a-a4-no-dropout-full-3.json"]
    assert (full[0].config.size_px, quick[0].config.size_px) == (256, 128)
    assert full[0].config.steps > quick[0].config.steps
    assert len({job.run("default") for job in (*quick, *full)}) == 4
    assert len({job.scores for job in (*quick, *full)}) == 8
    assert not any(job.is_done for job in quick)


@pytest.mark.parametrize("text", ["", '{"schema_version": 2, "se', "[]"])
def test_a_document_cut_short_is_named(tmp_path: Path, text: str) -> None:
    said = {"configuration": ["default"], "seed": [0], "steps": None, "work": tmp_path, "preset": "quick"}
    (job,) = jobs_of(Namespace(**said, out=tmp_path), Set("a", tmp_path), pictures(1000))
    job.document.write_text(text)
    with pytest.raises(RunError, match="a-default-0"):
        assert job.is_done


def bar(**more: Any) -> Bar:
    return Bar("a", "b", 0.5, lambda *_: None, **more)


def test_a_bar_is_met_or_not() -> None:
    assert bar().said(Found(0.5, 1)) == "0.500: met"
    assert bar().said(Found(0.4999, 2)) == "0.500 (2 seeds): **not met**"
    assert bar(above=True).said(Found(0.5, 1)).endswith("not met**")
    assert bar().said(None) == "not run"


def test_an_interval_that_reaches_the_bar_is_enough_only_where_that_was_said() -> None:
    reaching = Found(0.45, 2, (0.40, 0.51))
    assert bar(or_interval=True, least_seeds=2).is_met(reaching)
    assert not bar().is_met(reaching)
    assert not bar(or_interval=True, least_seeds=2).is_met(Found(0.45, 2, (0.40, 0.49)))
    one_seed = bar(or_interval=True, least_seeds=2).said(Found(0.9, 1, (0.8, 1.0)))
    assert one_seed.endswith("not run on 2 seeds")


def document(name: str, seed: int, image_auroc: float, **more: Any) -> dict[str, Any]:
    figures = {"image_auroc": image_auroc, "image_auroc_ci": [image_auroc - 0.1, image_auroc + 0.05]}
    figures |= {"aupro_030": 0.7, "validation_image_auroc": None, "frr_at_threshold": 0.1, "escape_at_threshold": 0.2}
    line = {"image_auroc": 0.6, "image_auroc_ci": [0.5, 0.7], "defects_are": "lower"}
    figures |= {"baselines": {"rgb.std": {**line, "image_auroc": 0.4}, "rgb.mean": line}, "strata": {}}
    figures |= {"controls": {"untrained": {"image_auroc": 0.55}, "background_brightness.rgb": line}}
    job = {"schema_version": 2, "set": name, "configuration": "default", "preset": "quick", "seed": seed}
    return {**job, "subsets": {"rgb": figures}, "leak": [], "dark_rgb": None, **more}


def results(folder: Path, *documents: dict[str, Any]) -> Results:
    for n, one in enumerate(documents):
        (folder / f"{n}.json").write_text(json.dumps(one))
    return read(folder)


def test_one_seed_has_its_interval_and_several_have_their_range(tmp_path: Path) -> None:
    over = {"kind": "seeds", "set": "magnetic_tile", "preset": "quick", "one_or_many": [], "late_fusion": None}
    over["configurations"] = {"default": {"seeds": [0, 1], "subsets": {"rgb": {"image_auroc_ci": [0.75, 0.88]}}}}
    two = [document("magnetic_tile", seed, value) for seed, value in ((0, 0.80), (1, 0.84))]
    found = results(tmp_path, *two, document("other", 0, 0.9), over)
    lines = recipe_table(found)
    assert "0.820 [0.750, 0.880] (0.800 to 0.840) | 0.550 | 0.600 (rgb.mean lower) | rgb 0.600 |" in lines[2]
    assert "| other | quick | rgb | 1 | 0.900 [0.800, 0.950] |" in lines[3]
    (first, second) = (line for line in bars_table(found) if "magnetic_tile" in line)
    assert first.endswith("0.820 (2 seeds): met | not run |")
    assert second.endswith("0.700 (2 seeds): met | not run |")


def test_an_interval_of_other_seeds_is_not_shown(tmp_path: Path) -> None:
    over = {"kind": "seeds", "set": "a", "preset": "quick", "one_or_many": [], "late_fusion": None}
    over["configurations"] = {"default": {"seeds": [0], "subsets": {"rgb": {"image_auroc_ci": [0.75, 0.88]}}}}
    found = results(tmp_path, document("a", 0, 0.8), document("a", 1, 0.8), over)
    assert "| 0.800 (0.800 to 0.800) |" in recipe_table(found)[2]


def test_presets_are_rows_and_columns_of_their_own(tmp_path: Path) -> None:
    quick, full = (document("magnetic_tile", 0, v, preset=p) for v, p in ((0.7, "quick"), (0.9, "full")))
    found = results(tmp_path, full, quick)
    assert [line.split(" | ")[1] for line in recipe_table(found)[2:]] == ["quick", "full"]
    first = next(line for line in bars_table(found) if "magnetic_tile" in line)
    assert first.endswith("0.700: **not met** | 0.900: met |")


def test_a_leak_and_an_equalised_copy_are_said(tmp_path: Path) -> None:
    leaking = document("a", 0, 1.0, leak=[{"control": "background_brightness.rgb"}])
    lines = recipe_table(results(tmp_path, leaking, document("a_equalised", 0, 0.5, equalised_to=200)))
    assert lines[2].startswith("| a: **leaks**, no figure counts | quick ")
    assert "rgb 0.600 **leak**" in lines[2]
    assert lines[3].startswith("| a_equalised: every image scaled to a background of grey 200 | quick ")


def test_documents_of_the_first_form_have_dashes_for_what_they_lack(tmp_path: Path) -> None:
    old = document("magnetic_tile", 0, 0.76)
    for key in ("preset", "schema_version", "leak"):
        del old[key]
    for key in ("controls", "baselines", "strata"):
        del old["subsets"]["rgb"][key]
    found = results(tmp_path, old)
    assert (
        "| magnetic_tile | quick | rgb | 1 | 0.760 [0.660, 0.810] | - | - | - | 0.700 | - |" in recipe_table(found)[2]
    )
    assert len(ablation_table(found)) == 3
    assert len(strata_table(found)) == len(one_or_many_table(found)) == 2


def test_the_best_line_is_named_with_its_direction() -> None:
    assert best_line(document("a", 0, 0.5)["subsets"]["rgb"]) == "0.600 (rgb.mean lower)"
    assert best_line({}) == "-"


def test_nothing_measured_meets_no_bar(tmp_path: Path) -> None:
    lines = bars_table(read(tmp_path))[2:]
    assert len(lines) == len(BARS)
    assert all(line.endswith("| not run | not run |") for line in lines)
