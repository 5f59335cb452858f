from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_run import HELD_OUT, SIZE, made, make_hopeless, make_hostile, write_data, write_run

from radar_edge.bundle import Bundle, Manifest, Signer, open_bundle
from radar_edge.errors import BundleError, DatasetError, RunError, ShortfallError, UsageError
from radar_edge.export import engines, sensitivity
from radar_edge.export.build import Result, Stage, build_bundle, build_until, open_workshop
from radar_edge.export.calibrate import read_record
from radar_edge.export.layers import layer_facts
from radar_edge.export.quantize import layers_of
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset
from radar_edge.models.radar import Radar
from radar_edge.scoring import image_score

SUBSETS = [Subset(("rgb",)), Subset(("tir",)), Subset(("rgb", "tir"))]


@pytest.fixture(scope="module")
def signer() -> Signer:
    return made().signer


@pytest.fixture(scope="module")
def data() -> Path:
    return made().data


@pytest.fixture(scope="module")
def run() -> Path:
    return made().run


@pytest.fixture(scope="module")
def result() -> Result:
    return made().result


@pytest.fixture(scope="module")
def bundle(result: Result) -> Bundle:
    return result.bundle


@pytest.fixture(scope="module")
def by_stages(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, set[str]]]:
    """A work folder of its own, filled by one stage after the other, each asked for alone; and what each made there."""
    work = tmp_path_factory.mktemp("work")

    def made_by(stage: Stage) -> set[str]:
        shop = open_workshop(run, data, work=work, ranges_folder=work / "ranges")
        build_until(shop, stage)
        return {*shop.cache.made, *(("ranges",) if (work / "ranges").exists() else ())}

    return work, {stage: made_by(stage) for stage in ("export", "specialise", "calibrate", "quantise")}


@pytest.fixture(scope="module")
def bad(data: Path, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Of a bundle whose RGB no INT8 can hold, and whose thermal branch has one layer that it cannot."""

    def spoil(model: Radar) -> None:
        make_hopeless(model, "rgb")
        make_hostile(model, "tir")

    folder = tmp_path_factory.mktemp("bad")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensitivity, "MOST_KEPT", 0.1)  # the way to the map is short: half of all layers would do
        shop = open_workshop(write_run(folder / "run", change=spoil), data)
        return build_bundle(shop, folder / "b", target_frr=0.05, signer=signer).bundle.manifest


def test_the_bundle_opens_for_those_who_trust_its_maker(bundle: Bundle, signer: Signer) -> None:
    opened = open_bundle(bundle.folder, {signer.key_id: signer.key.public_key()})
    assert (opened.manifest, opened.signed_by) == (bundle.manifest, signer.key_id)
    assert opened.subsets == tuple(SUBSETS)
    with pytest.raises(BundleError):
        open_bundle(bundle.folder, {})


def test_the_manifest_says_where_the_engines_come_from(bundle: Bundle) -> None:
    model = bundle.manifest.model
    assert (model.modalities, model.seed, model.data_sha256) == (("rgb", "tir"), 5, "d" * 64)
    shipped = [f"{engine.subset}_{engine.precision}" for engine in bundle.manifest.engines]
    assert {f"{subset}_fp32" for subset in SUBSETS} <= set(shipped)
    assert set(bundle.manifest.files) == {
        *(f"onnx/{name}.onnx" for name in shipped),
        *(f"reference/{name}.npz" for name in shipped),
        *(f"calibration/{subset}.json" for subset in SUBSETS),
        "reference/inputs.npz",
    }
    assert {"torch", "onnxruntime", "nvidia-modelopt"} <= set(bundle.manifest.tools)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("subset", SUBSETS, ids=str)
def test_an_engine_repeats_its_reference_scores(bundle: Bundle, subset: Subset, precision: str) -> None:
    entry = bundle.engine(subset, precision)
    with np.load(bundle.path("reference/inputs.npz")) as stored:
        inputs = {name: stored[name] for name in ("rgb", "tir")}
        assert stored["key"].tolist() == list(HELD_OUT)
        assert stored["group"].shape == (20,)
    with np.load(bundle.path(f"reference/{subset}_{precision}.npz")) as stored:
        maps, scores, whole = stored["anomaly_map"], stored["score"], stored["whole"].tolist()
    assert {name: array.shape for name, array in inputs.items()} == {
        "rgb": (20, 3, SIZE, SIZE),
        "tir": (20, 2, SIZE, SIZE),
    }
    assert entry.parity.parts == len(whole) == len(maps) == 16
    assert 0 <= entry.parity.max_abs_map < (1e-4 if precision == "fp32" else 0.05)
    with open_runner("onnxruntime", bundle.path(entry.file), subset, precision) as runner:
        for i in range(20):
            found = runner.infer({name: inputs[name][i : i + 1] for name in subset}).anomaly_map
            if i in whole:
                np.testing.assert_allclose(found[0], maps[whole.index(i)], atol=1e-6)
            assert image_score(found) == pytest.approx(scores[i], abs=1e-6)
    assert sorted(scores) == pytest.approx(entry.calibration.scores, abs=1e-9)


def test_thresholds_come_from_all_held_out_parts(bundle: Bundle) -> None:
    for entry in bundle.manifest.engines:
        assert (entry.calibration.groups, entry.calibration.target_frr) == (len(HELD_OUT), 0.05)
        assert entry.calibration.threshold in entry.calibration.scores


def test_every_lower_precision_shows_its_gate(bundle: Bundle) -> None:
    for entry in bundle.manifest.engines:
        if entry.precision == "fp32":
            assert (entry.gate, entry.rounding) == (None, None)
            continue
        assert entry.gate is not None
        assert entry.gate.passed
        assert entry.gate.images - entry.gate.anomalous == len(HELD_OUT)
        assert entry.gate.anomalous >= len(HELD_OUT) / 2
        assert (entry.rounding is not None) is (entry.precision == "int8")


def test_an_int8_engine_says_which_layers_are_what(bundle: Bundle) -> None:
    entry = bundle.engine(SUBSETS[2], "int8")
    assert entry.rounding is not None
    facts = {fact.name: fact.precision for fact in layer_facts(onnx.load(bundle.path(entry.file)))}
    assert sum(kind == "int8" for kind in facts.values()) == entry.rounding.layers > 0
    assert {kept.layer: "fp16" for kept in entry.rounding.kept}.items() <= facts.items()
    assert set(facts.values()) == {"int8", "fp16"}
    record = read_record(bundle.path(entry.rounding.ranges), digest_of(bundle, SUBSETS[2]), ())
    assert (record.subset, record.images, len(record.parts)) == ("rgb_tir", 8, 4)


def digest_of(bundle: Bundle, subset: Subset) -> str:
    return bundle.manifest.files[f"onnx/{subset}_fp32.onnx"]


def test_progress_reaches_the_end_of_every_stage() -> None:
    last = {stage: (done, total) for stage, done, total in made().stages}
    assert last["export"] == (1, 1)
    assert {f"judge {subset} {precision}" for subset in SUBSETS for precision in ("fp32", "fp16", "int8")} <= set(last)
    assert all(done == total for done, total in last.values())


def test_stages_can_be_asked_for_alone(by_stages: tuple[Path, dict[str, set[str]]]) -> None:
    work, made_by = by_stages
    engines_of = {f"{subset}_fp32" for subset in SUBSETS}
    lower = {f"{subset}_{kind}" for subset in SUBSETS for kind in ("fp16", "qdq", "int8")}
    assert made_by == {
        "export": {"full"},
        "specialise": engines_of,
        "calibrate": {"ranges"},
        "quantise": {"ranges", *lower},
    }
    assert {path.name.split("-")[0] for path in work.glob("*.onnx")} == {"full", *engines_of, *lower}
    assert len(list((work / "ranges").glob("*.json"))) == 3


def test_the_same_inputs_give_the_same_bundle(
    result: Result, by_stages: tuple[Path, dict[str, set[str]]], run: Path, data: Path, signer: Signer, tmp_path: Path
) -> None:
    """Nothing was shared: neither the graphs nor the ranges, nor what was judged."""
    work, _ = by_stages
    shop = open_workshop(run, data, work=work, ranges_folder=work / "ranges")
    again = build_bundle(shop, tmp_path / "bundle", target_frr=0.05, signer=signer)
    assert again.bundle.sha256 == result.bundle.sha256
    assert {stage for stage in again.made if stage.endswith("_judged")} == {
        f"{subset}_{precision}_judged" for subset in SUBSETS for precision in ("fp32", "fp16", "int8")
    }
    assert not any(ranges.reviewed for ranges in result.ranges.values())


def test_a_second_build_only_looks(result: Result, run: Path, data: Path, signer: Signer, tmp_path: Path) -> None:
    again = build_bundle(open_workshop(run, data), tmp_path / "bundle", target_frr=0.05, signer=signer)
    assert (again.made, again.bundle.sha256) == ((), result.bundle.sha256)
    assert all(ranges.reviewed for ranges in again.ranges.values())
    assert [stage for stage in again.reused if stage.endswith("_errors")], "the search for layers is a stage too"


def test_a_graph_kept_of_another_texture_weight_is_not_taken(run: Path, data: Path, tmp_path: Path) -> None:
    """The weights are the same: training does not look at it."""
    shutil.copytree(run, tmp_path / "run")
    document = json.loads((run / "run.json").read_text())
    document["model"]["texture_weight"] = 0.5
    (tmp_path / "run" / "run.json").write_text(json.dumps(document))
    assert open_workshop(tmp_path / "run", data).full != open_workshop(run, data).full


def test_only_what_is_asked_for_is_built(result: Result, run: Path, data: Path, signer: Signer, tmp_path: Path) -> None:
    def built(folder: str, target_frr: float) -> Result:
        shop = open_workshop(run, data)
        return build_bundle(shop, tmp_path / folder, target_frr=target_frr, signer=signer, precisions=["fp16"])

    one, laxer = built("one", 0.05), built("laxer", 0.1)
    for manifest in (one.bundle.manifest, laxer.bundle.manifest):
        assert {engine.precision for engine in manifest.engines} == {"fp32", "fp16"}
        assert not any(file.startswith("calibration/") for file in manifest.files)
    assert (one.made, laxer.made) == ((), ()), "a target changes thresholds alone"
    assert one.bundle.sha256 != laxer.bundle.sha256


def test_reviewed_ranges_are_used_as_they_stand(
    result: Result, run: Path, data: Path, signer: Signer, tmp_path: Path
) -> None:
    for name in ("build", "calibration"):
        shutil.copytree(run / name, tmp_path / name)
    shop = open_workshop(run, data, ranges_folder=tmp_path / "calibration", work=tmp_path / "build")
    path = shop.ranges(SUBSETS[0]).path
    narrowed = shop.ranges(SUBSETS[0]).record.model_dump(mode="json")
    tensors = {layer.name: layer.tensor for layer in layers_of(onnx.load_from_string(shop.fp32(SUBSETS[0])))}
    narrowed["tensors"][tensors["encoders.rgb.fine.1.0"]]["amax"] = 1e-3
    path.write_text(json.dumps(narrowed))
    bundle = build_bundle(shop, tmp_path / "b", target_frr=0.05, signer=signer).bundle
    assert json.loads(bundle.path("calibration/rgb.json").read_bytes())["tensors"] == narrowed["tensors"]
    rounding = next(e.rounding for e in bundle.manifest.engines if (e.subset, e.precision) == ("rgb", "int8"))
    assert rounding is not None
    kept = [one.layer for one in rounding.kept if one.reason == "gate"]
    assert "encoders.rgb.fine.1.0" in kept, "the gate sees what such a range does"


def test_a_hostile_layer_is_found_and_kept_fp16(bad: Manifest) -> None:
    (entry,) = (e for e in bad.engines if (e.subset, e.precision) == ("tir", "int8"))
    assert entry.rounding is not None
    assert next(kept.layer for kept in entry.rounding.kept if kept.reason == "gate") == "encoders.tir.fine.1.0"
    assert entry.gate is not None
    assert entry.gate.passed


def test_of_a_hopeless_graph_fp16_ships(bad: Manifest) -> None:
    shipped = {(engine.subset, engine.precision) for engine in bad.engines}
    assert ("rgb", "fp16") in shipped
    assert ("rgb", "int8") not in shipped
    assert ("tir", "int8") in shipped
    (refused,) = (one for one in bad.refused if one.subset == "rgb")
    assert refused.precision == "int8"
    assert refused.tried > 0
    assert refused.gate.faults


def test_too_few_good_parts_are_said_before_any_work(run: Path, data: Path, signer: Signer, tmp_path: Path) -> None:
    stages: list[str] = []
    with pytest.raises(UsageError, match="at least 99"):
        build_bundle(
            open_workshop(run, data, progress=lambda stage, *_: stages.append(stage)),
            tmp_path / "b",
            target_frr=0.01,
            signer=signer,
        )
    assert stages == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_run_is_refused(data: Path, signer: Signer, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [*HELD_OUT, "validation/good/900"])
    with pytest.raises(DatasetError, match="validation/good/900"):
        build_bundle(open_workshop(run, data), tmp_path / "b", target_frr=0.05, signer=signer)
    with pytest.raises(RunError):
        open_workshop(tmp_path / "nothing", data)
    assert not (tmp_path / "b").exists()


def test_parts_that_lack_a_modality_calibrate_the_engines_that_can_judge_them(
    run: Path, signer: Signer, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "data", lacking_tir=(23,))
    # Which parts calibrate is a matter of the subset alone: FP16 stands for every precision.
    shop = open_workshop(run, data)
    built = build_bundle(shop, tmp_path / "b", target_frr=0.05, signer=signer, precisions=["fp16"]).bundle
    groups = {(entry.subset, entry.precision): entry.calibration.groups for entry in built.manifest.engines}
    wanted = {"rgb": 20, "tir": 19, "rgb_tir": 19}
    assert groups == {(subset, precision): n for subset, n in wanted.items() for precision in ("fp32", "fp16")}


def test_an_engine_that_disagrees_with_the_network_is_a_shortfall(
    run: Path, data: Path, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PARITY_LIMIT", -1.0)
    with pytest.raises(ShortfallError, match=r"rgb: the map differs by"):
        build_bundle(open_workshop(run, data), tmp_path / "b", target_frr=0.05, signer=signer)
    assert not (tmp_path / "b").exists()
