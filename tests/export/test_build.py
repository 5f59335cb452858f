from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_run import HELD_OUT, SIZE, write_data, write_run

from radar_edge.bundle import Bundle, Signer, create_key, open_bundle
from radar_edge.errors import BundleError, DatasetError, RunError, ShortfallError, UsageError
from radar_edge.export import build
from radar_edge.export.build import build_bundle
from radar_edge.export.measure import Measured
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset
from radar_edge.scoring import image_score

SUBSETS = [Subset(("rgb",)), Subset(("tir",)), Subset(("rgb", "tir"))]


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return create_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def stages() -> list[tuple[str, int, int]]:
    """What the progress was told while the bundle was built."""
    return []


@pytest.fixture(scope="module")
def bundle(
    run: Path,
    data: Path,
    signer: Signer,
    stages: list[tuple[str, int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    def note(*step: object) -> None:
        stages.append(step)  # type: ignore[arg-type]

    out = tmp_path_factory.mktemp("out") / "bundle"
    return build_bundle(run, data, out, target_frr=0.05, signer=signer, progress=note)


def test_the_bundle_opens_for_those_who_trust_its_maker(bundle: Bundle, signer: Signer) -> None:
    opened = open_bundle(bundle.folder, {signer.key_id: signer.key.public_key()})
    assert (opened.manifest, opened.signed_by) == (bundle.manifest, signer.key_id)
    assert opened.subsets == tuple(SUBSETS)
    with pytest.raises(BundleError):
        open_bundle(bundle.folder, {})


def test_the_manifest_says_where_the_engines_come_from(bundle: Bundle) -> None:
    model = bundle.manifest.model
    assert (model.modalities, model.seed, model.data_sha256) == (("rgb", "tir"), 5, "d" * 64)
    assert set(bundle.manifest.files) == {
        "onnx/rgb_fp32.onnx",
        "onnx/tir_fp32.onnx",
        "onnx/rgb_tir_fp32.onnx",
        "reference/inputs.npz",
        "reference/rgb_fp32.npz",
        "reference/tir_fp32.npz",
        "reference/rgb_tir_fp32.npz",
    }


@pytest.mark.parametrize("subset", SUBSETS, ids=str)
def test_an_engine_repeats_its_reference_scores(bundle: Bundle, subset: Subset) -> None:
    entry = bundle.engine(subset, "fp32")
    with np.load(bundle.path("reference/inputs.npz")) as stored:
        inputs = {name: stored[name] for name in stored.files}
    with np.load(bundle.path(f"reference/{subset}_fp32.npz")) as stored:
        maps, scores = stored["anomaly_map"], stored["score"]
    assert {name: array.shape for name, array in inputs.items()} == {
        "rgb": (16, 3, SIZE, SIZE),
        "tir": (16, 2, SIZE, SIZE),
    }
    assert entry.parity.parts == 16
    assert 0 <= entry.parity.max_abs_map < 1e-4
    with open_runner("onnxruntime", bundle.path(entry.file), subset, "fp32") as runner:
        for i in range(16):
            found = runner.infer({name: inputs[name][i : i + 1] for name in subset}).anomaly_map
            np.testing.assert_allclose(found[0], maps[i], atol=1e-6)
            assert image_score(found) == pytest.approx(scores[i], abs=1e-6)
            assert min(abs(s - scores[i]) for s in entry.calibration.scores) < 1e-9


def test_thresholds_come_from_all_held_out_parts(bundle: Bundle) -> None:
    for entry in bundle.manifest.engines:
        assert (entry.calibration.groups, entry.calibration.target_frr) == (len(HELD_OUT), 0.05)
        assert entry.calibration.threshold in entry.calibration.scores


def test_progress_reaches_the_end_of_every_stage(bundle: Bundle, stages: list[tuple[str, int, int]]) -> None:
    last = {stage: (done, total) for stage, done, total in stages}
    assert last == {"export": (1, 1), "specialise": (3, 3), "judge held-out parts": (20, 20)}


def test_too_few_good_parts_are_said_before_any_work(run: Path, data: Path, signer: Signer, tmp_path: Path) -> None:
    stages: list[str] = []
    with pytest.raises(UsageError, match="at least 99"):
        build_bundle(
            run, data, tmp_path / "b", target_frr=0.01, signer=signer, progress=lambda stage, *_: stages.append(stage)
        )
    assert stages == []
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_run_is_refused(data: Path, signer: Signer, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [*HELD_OUT, "validation/good/900"])
    with pytest.raises(DatasetError, match="validation/good/900"):
        build_bundle(run, data, tmp_path / "b", target_frr=0.05, signer=signer)
    with pytest.raises(RunError):
        build_bundle(tmp_path / "nothing", data, tmp_path / "b", target_frr=0.05, signer=signer)
    assert not (tmp_path / "b").exists()


def test_parts_that_lack_a_modality_calibrate_the_engines_that_can_judge_them(
    run: Path, signer: Signer, tmp_path: Path
) -> None:
    data = write_data(tmp_path / "data", lacking_tir=(23,))
    built = build_bundle(run, data, tmp_path / "b", target_frr=0.05, signer=signer)
    groups = {entry.subset: entry.calibration.groups for entry in built.manifest.engines}
    assert groups == {"rgb": 20, "tir": 19, "rgb_tir": 19}


def test_an_engine_that_disagrees_with_the_network_is_a_shortfall() -> None:
    wrong = Measured(map_gaps=[1e-6, 0.2], score_gaps=[0.0, 0.1])
    right = Measured(map_gaps=[1e-6], score_gaps=[0.0])
    with pytest.raises(ShortfallError, match=r"tir: the map differs by 0\.2"):
        build.check_parity({SUBSETS[0]: right, SUBSETS[1]: wrong})
    build.check_parity({SUBSETS[0]: right})
