"""From a run to a signed bundle: export, specialise, compare, set thresholds, sign. Each stage is callable alone.

    run/ --export_onnx--> full graph --specialize, one a Subset--> engines
    held-out good parts --measure--> parity and scores --calibrate--> thresholds --> bundle

It does not know how any stage works, only their order and what each takes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnx

from radar_edge import __version__, files
from radar_edge.bundle import (
    Bundle,
    EngineEntry,
    Manifest,
    ModelInfo,
    Signer,
    engine_file,
    new_bundle,
    open_bundle,
    reference_file,
)
from radar_edge.bundle.store import BundleWriter
from radar_edge.data.dataset import load_inputs
from radar_edge.data.layouts import Sample, index
from radar_edge.errors import ShortfallError, UsageError
from radar_edge.export.graph import macs, parameters
from radar_edge.export.measure import Measured, Progress, can_judge, held_out_parts, measure, reference_parts
from radar_edge.export.onnx_export import export_onnx
from radar_edge.export.specialize import specialize
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.scoring import calibrate, image_score
from radar_edge.training.checkpoint import TrainedRun, load_run
from radar_edge.training.torch_runner import TorchRunner

PRECISION: Final = "fp32"
PARITY_LIMIT = 1e-3
"""Largest difference of an FP32 engine's logits to the trained network's: rounding, not another function."""


def build_bundle(
    run_folder: Path,
    data_folder: Path,
    out: Path,
    *,
    target_frr: float,
    signer: Signer,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> Bundle:
    """Make the bundle `out` of a finished run and the images that it was trained on.

    `target_frr`: false-reject rate that every engine's threshold keeps. Raises UsageError if `out` is taken or
    there are too few held-out good parts, RunError and DatasetError for bad input, ShortfallError if an engine
    does not agree with the trained network. `out` appears whole or not at all.
    """
    with new_bundle(out, signer, replace=replace) as writer:
        run = load_run(run_folder)
        subsets = all_subsets(run.modalities)
        parts = held_out_parts(index(data_folder).samples, run.held_out)
        check_enough(parts, subsets, target_frr)
        graphs = engine_graphs(run, subsets, progress)
        for subset, graph in graphs.items():
            writer.add(engine_file(subset.slug, PRECISION), graph.SerializeToString(deterministic=True))
        references = reference_parts(parts, run.modalities)
        measured = measure_engines(writer.folder, run, subsets, parts, references, progress)
        check_parity(measured)
        add_references(writer, run, references, measured)
        writer.finish(manifest_of(run, graphs, measured, target_frr, writer.digests))
    return open_bundle(out, {signer.key_id: signer.key.public_key()})


def check_enough(parts: Sequence[Sample], subsets: Sequence[Subset], target_frr: float) -> None:
    """Raises UsageError before any long work if a threshold for some Subset could not be guaranteed."""
    for subset in subsets:
        groups = [part.group for part in parts if can_judge(subset, part)]
        try:
            calibrate([0.0] * len(groups), target_frr, groups)
        except UsageError as error:
            raise UsageError(
                f"{error.problem} with the engine {subset}",
                found=error.found,
                wanted=error.wanted,
                next_step=error.next_step,
            ) from error


def engine_graphs(run: TrainedRun, subsets: Sequence[Subset], progress: Progress) -> dict[Subset, onnx.ModelProto]:
    """The specialised graph of every Subset."""
    progress("export", 0, 1)
    specs = run.preprocess.modalities
    shapes = {name: (1, specs[name].input_channels, specs[name].height, specs[name].width) for name in run.modalities}
    full = export_onnx(run.model, shapes)
    progress("export", 1, 1)
    graphs = {}
    for done, subset in enumerate(subsets, 1):
        graphs[subset] = specialize(full, subset, run.modalities)
        progress("specialise", done, len(subsets))
    return graphs


def measure_engines(
    folder: Path,
    run: TrainedRun,
    subsets: Sequence[Subset],
    parts: Sequence[Sample],
    references: Sequence[Sample],
    progress: Progress,
) -> dict[Subset, Measured]:
    """Every engine file in `folder` on the held-out parts, through ONNX Runtime as on the line."""
    with ExitStack() as stack:
        engines = {
            subset: stack.enter_context(
                open_runner("onnxruntime", folder / engine_file(subset.slug, PRECISION), subset, PRECISION)
            )
            for subset in subsets
        }
        originals = {subset: stack.enter_context(TorchRunner(run.model, subset)) for subset in subsets}
        return measure(engines, originals, parts, references, run.preprocess, progress)


def check_parity(measured: Mapping[Subset, Measured]) -> None:
    gaps = {subset: m.parity.max_abs_map for subset, m in measured.items()}
    faults = [f"{subset}: the map differs by {gap:.2g}" for subset, gap in gaps.items() if gap > PARITY_LIMIT]
    if faults:
        raise ShortfallError(
            "engines do not agree with the trained network on held-out good parts",
            faults=faults,
            wanted=f"at most {PARITY_LIMIT:g} on every pixel's logit",
            next_step="report this with run.json: the export is wrong, or the network's values are extreme",
        )


def add_references(
    writer: BundleWriter, run: TrainedRun, references: Sequence[Sample], measured: Mapping[Subset, Measured]
) -> None:
    """reference/inputs.npz: `[N, C, H, W]` a modality.

    reference/<engine>.npz: what that engine says of them, `anomaly_map` `[N, 1, H, W]` and `score` `[N]`.
    """
    inputs, _ = load_inputs(references, run.preprocess)
    writer.add("reference/inputs.npz", npz_bytes(inputs))
    for subset, m in measured.items():
        maps = np.concatenate(m.reference_maps)
        scores = np.array([image_score(one) for one in maps])
        writer.add(reference_file(subset.slug, PRECISION), npz_bytes({"anomaly_map": maps, "score": scores}))


def npz_bytes(arrays: Mapping[str, npt.NDArray[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def manifest_of(
    run: TrainedRun,
    graphs: Mapping[Subset, onnx.ModelProto],
    measured: Mapping[Subset, Measured],
    target_frr: float,
    digests: Mapping[str, str],
) -> Manifest:
    """What the bundle says of itself, the threshold of every engine included."""
    engines = tuple(
        EngineEntry(
            subset=subset.slug,
            precision=PRECISION,
            file=engine_file(subset.slug, PRECISION),
            macs=macs(graph),
            parameters=parameters(graph),
            parity=measured[subset].parity,
            calibration=calibrate(measured[subset].scores, target_frr, measured[subset].groups),
        )
        for subset, graph in graphs.items()
    )
    model = ModelInfo(
        modalities=run.modalities,
        shape=run.model.config.model_dump(mode="json"),
        weights_sha256=run.weights_sha256,
        run_sha256=files.sha256_json(run.document),
        data_sha256=run.document["data_sha256"],
        seed=run.document["config"]["seed"],
    )
    return Manifest(
        schema_version=1,
        created_by=f"radar-edge {__version__}",
        model=model,
        preprocess=run.preprocess,
        subsets=tuple(subset.slug for subset in graphs),
        engines=engines,
        files=dict(digests),
    )
