"""From a run to a signed bundle: the stages of the workshop, the engines with their evidence, references, manifest.

    run/ --export, specialise--> FP32 graphs --calibrate, quantise, halve--> INT8 and FP16 graphs
    held-out good parts, corrupted copies --judge, gate--> engines that ship --> bundle

It does not know how any stage works, only their order and what each takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx

from radar_edge import __version__, files
from radar_edge.bundle import (
    PRECISIONS,
    Bundle,
    EngineEntry,
    Manifest,
    ModelInfo,
    Precision,
    Preflight,
    Signer,
    engine_file,
    new_bundle,
    open_bundle,
    ranges_file,
    reference_file,
)
from radar_edge.bundle.store import BundleWriter
from radar_edge.data.dataset import load_inputs
from radar_edge.data.layouts import Sample, index
from radar_edge.export.cache import StageCache
from radar_edge.export.calibrate import CalibrationSet
from radar_edge.export.engines import Built, Engine, SubsetBuilder
from radar_edge.export.graph import macs, parameters
from radar_edge.export.judged import Progress, npz_bytes
from radar_edge.export.parts import check_enough, reference_parts
from radar_edge.export.workshop import TOOLS, Ranges, Workshop, tools
from radar_edge.training.checkpoint import TrainedRun, load_run

Stage = Literal["export", "specialise", "calibrate", "quantise"]
Compile = Callable[[bytes], Preflight]
"""export.preflight.compiler gives one."""


@dataclass(frozen=True, eq=False)
class Result:
    """A finished bundle, and what a person should know of its making."""

    bundle: Bundle
    ranges: Mapping[str, Ranges]
    """Of each Subset's slug."""
    made: tuple[str, ...]
    reused: tuple[str, ...]


def open_workshop(
    run_folder: Path,
    data_folder: Path,
    *,
    ranges_folder: Path | None = None,
    work: Path | None = None,
    definition: CalibrationSet | None = None,
    progress: Progress = lambda *_: None,
) -> Workshop:
    """`ranges_folder` and `work` are by default `calibration` and `build` in the run.

    Raises RunError and DatasetError for bad input.
    """
    run = load_run(run_folder)
    return Workshop(
        run,
        index(data_folder),
        StageCache(work or run_folder / "build"),
        ranges_folder or run_folder / "calibration",
        definition or CalibrationSet(),
        progress,
    )


def build_until(shop: Workshop, stage: Stage) -> None:
    """Only the stages up to `stage`; their results stay in the workshop's folders."""
    _ = shop.full
    for done, subset in enumerate(shop.subsets if stage != "export" else (), 1):
        shop.fp32(subset)
        shop.progress("specialise", done, len(shop.subsets))
        if stage in ("calibrate", "quantise"):
            ranges = shop.ranges(subset)
            if stage == "quantise":
                shop.fp16(subset)
                shop.int8(subset, ranges)


def build_bundle(
    shop: Workshop,
    out: Path,
    *,
    target_frr: float,
    signer: Signer,
    precisions: Sequence[Precision] = PRECISIONS,
    compile_graph: Compile | None = None,
    replace: bool = False,
) -> Result:
    """Make the bundle `out`. FP32 engines are always in it; of the other `precisions` those that pass their gate.

    `target_frr`: false-reject rate that every engine's threshold keeps. Raises UsageError if `out` is taken or
    there are too few held-out good parts, DatasetError for images that cannot be used, ShortfallError if an engine
    does not agree with the trained network. `out` appears whole or not at all.
    """
    with new_bundle(out, signer, replace=replace) as writer:
        check_enough(shop.held_out, shop.subsets, target_frr)
        references = reference_parts(shop.held_out, shop.run.modalities)
        keys = [part.key for part in references]
        built = [SubsetBuilder(shop, subset, target_frr, keys).build(precisions) for subset in shop.subsets]
        add_references(writer, shop.run, references)
        entries: list[EngineEntry] = []
        for one in built:
            entries += [add_engine(writer, engine, one, keys, compile_graph) for engine in one.engines]
            if one.ranges is not None:
                data = files.json_text(one.ranges.record.model_dump(mode="json")).encode()
                writer.add(ranges_file(one.ranges.record.subset), data)
        writer.finish(manifest_of(shop.run, entries, built, writer.digests))
    ranges = {one.ranges.record.subset: one.ranges for one in built if one.ranges is not None}
    bundle = open_bundle(out, {signer.key_id: signer.key.public_key()})
    return Result(bundle, ranges, tuple(shop.cache.made), tuple(shop.cache.reused))


def add_references(writer: BundleWriter, run: TrainedRun, references: Sequence[Sample]) -> None:
    """reference/inputs.npz: `[N, C, H, W]` a modality, and the parts' `key` and `group` `[N]`."""
    inputs, _ = load_inputs(references, run.preprocess)
    arrays: dict[str, npt.NDArray[np.generic]] = dict(inputs)
    arrays["key"] = np.array([part.key for part in references])
    arrays["group"] = np.array([part.group for part in references])
    writer.add("reference/inputs.npz", npz_bytes(arrays))


def add_engine(
    writer: BundleWriter, engine: Engine, built: Built, keys: Sequence[str], compile_graph: Compile | None
) -> EngineEntry:
    """onnx/<engine>.onnx, and reference/<engine>.npz: what the engine says of the reference parts.

    `score` `[N]` of all of them; `anomaly_map` `[K, 1, H, W]` of those at the places `whole` `[K]`.
    """
    slug, precision = engine.subset.slug, engine.precision
    places = [built.keys.index(key) for key in keys]
    whole = np.array([keys.index(built.keys[place]) for place in built.whole])
    said: dict[str, npt.NDArray[np.generic]] = {
        "score": engine.judged.scores[places],
        "anomaly_map": engine.judged.maps,
        "whole": whole,
    }
    writer.add(engine_file(slug, precision), engine.graph)
    writer.add(reference_file(slug, precision), npz_bytes(said))
    fp32 = onnx.load_from_string(built.engines[0].graph)
    return EngineEntry(
        subset=slug,
        precision=precision,
        file=engine_file(slug, precision),
        macs=macs(fp32),
        parameters=parameters(fp32),
        parity=engine.parity,
        calibration=engine.calibration,
        gate=engine.gate,
        rounding=engine.rounding,
        preflight=compile_graph(engine.graph) if compile_graph is not None else None,
    )


def manifest_of(
    run: TrainedRun, entries: Sequence[EngineEntry], built: Sequence[Built], digests: Mapping[str, str]
) -> Manifest:
    """What the bundle says of itself."""
    model = ModelInfo(
        modalities=run.modalities,
        shape=run.model.config.model_dump(mode="json"),
        weights_sha256=run.weights_sha256,
        run_sha256=files.sha256_json(run.document),
        data_sha256=run.document["data_sha256"],
        seed=run.document["config"]["seed"],
    )
    return Manifest(
        schema_version=2,
        created_by=f"radar-edge {__version__}",
        tools=tools(*TOOLS),
        model=model,
        preprocess=run.preprocess,
        subsets=tuple(dict.fromkeys(entry.subset for entry in entries)),
        engines=tuple(entries),
        refused=tuple(refused for one in built for refused in one.refused),
        files=dict(digests),
    )
