"""A bundle of tiny engines at every precision, with reference parts: what `finish` needs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from radar_edge.bundle import (
    PRECISIONS,
    EngineEntry,
    Gate,
    GateLimits,
    Manifest,
    ModelInfo,
    Parity,
    Rounding,
    create_key,
    engine_file,
    new_bundle,
    ranges_file,
    reference_file,
)
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import calibrate, image_score
from radar_edge.simulation.bright import MODALITIES, SIDE, SPECS, engine_bytes

PARTS, WHOLE = 40, 4
LIMITS = GateLimits(auroc_loss=0.01, aupro_loss=0.01, map_correlation=0.99, flipped=0.01)
GATE = Gate(
    images=80, anomalous=40, auroc_fp32=1, auroc=1, aupro_fp32=1, aupro=1, map_correlation=1, score_error=0, flipped=0,
    limits=LIMITS,
)  # fmt: skip


def good_parts() -> dict[str, np.ndarray]:
    """`[N, C, H, W]` a modality."""
    rng = np.random.default_rng(0)
    levels = rng.uniform(0.2, 0.3, (PARTS, 1, 1, 1))
    return {
        name: (levels + rng.normal(0, 0.01, (PARTS, SPECS[name].channels, SIDE, SIDE))).astype(np.float32)
        for name in MODALITIES
    }


def npz(**arrays: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def write_bundle(folder: Path, keys: Path, *, off: float = 0.0) -> None:
    """`off`: what the INT8 references claim beyond what the engine says, as if it were another one."""
    goods = good_parts()
    names = np.array([f"part{n}" for n in range(PARTS)])
    engines, digest = [], "0" * 64
    with new_bundle(folder, create_key(keys)) as writer:
        writer.add("reference/inputs.npz", npz(**goods, key=names, group=names))
        for subset in all_subsets(MODALITIES):
            maps = np.mean([goods[name].mean(axis=1, keepdims=True) for name in subset], axis=0, dtype=np.float32)
            writer.add(ranges_file(subset.slug), b"{}")
            for precision in PRECISIONS:
                wrong = off if precision == "int8" else 0.0
                scores = np.array([image_score(one[None]) for one in maps]) + wrong
                writer.add(engine_file(subset.slug, precision), engine_bytes(subset))
                said = npz(score=scores, anomaly_map=maps[:WHOLE] + wrong, whole=np.arange(WHOLE))
                writer.add(reference_file(subset.slug, precision), said)
                engines.append(entry(subset, precision, scores))
        model = ModelInfo(
            modalities=MODALITIES, shape={}, weights_sha256=digest, run_sha256=digest, data_sha256=digest, seed=0
        )
        manifest = Manifest(
            schema_version=2,
            created_by="test",
            model=model,
            preprocess=Preprocess(modalities=SPECS),
            subsets=tuple(subset.slug for subset in all_subsets(MODALITIES)),
            engines=tuple(engines),
            files=writer.digests,
        )
        writer.finish(manifest)


def entry(subset: Subset, precision: str, scores: np.ndarray) -> EngineEntry:
    return EngineEntry(
        subset=subset.slug,
        precision=precision,
        file=engine_file(subset.slug, precision),
        macs=1,
        parameters=1,
        parity=Parity(parts=1, max_abs_map=0.0, max_abs_score=0.0),
        calibration=calibrate(scores.tolist(), 0.05),
        gate=None if precision == "fp32" else GATE,
        rounding=Rounding(ranges=ranges_file(subset.slug), layers=1, kept=()) if precision == "int8" else None,
    )
