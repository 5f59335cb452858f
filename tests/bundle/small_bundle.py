"""A small bundle whose engines are not read by anyone here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from radar_edge.bundle import EngineEntry, Manifest, ModelInfo, Parity, Signer, new_bundle
from radar_edge.preprocess import ModalityPreprocess, Preprocess
from radar_edge.scoring import calibrate

CONTENT = {
    "onnx/rgb_fp32.onnx": b"rgb engine",
    "onnx/tir_fp32.onnx": b"tir engine",
    "onnx/rgb_tir_fp32.onnx": b"both",
    "reference/inputs.npz": b"parts",
}


def manifest(files: Mapping[str, str]) -> Manifest:
    plane = ModalityPreprocess(channels=1, bit_depth=8, height=16, width=16, offset=(0.0,), scale=(255.0,))
    engines = tuple(
        EngineEntry(
            subset=slug,
            precision="fp32",
            file=f"onnx/{slug}_fp32.onnx",
            macs=10,
            parameters=5,
            parity=Parity(parts=3, max_abs_map=1e-6, max_abs_score=0.0),
            calibration=calibrate([0.1 * i for i in range(20)], 0.05),
        )
        for slug in ("rgb", "tir", "rgb_tir")
    )
    return Manifest(
        schema_version=2,
        created_by="radar-edge 0",
        model=ModelInfo(
            modalities=("rgb", "tir"),
            shape={"width": 8},
            weights_sha256="0" * 64,
            run_sha256="1" * 64,
            data_sha256="2" * 64,
            seed=0,
        ),
        preprocess=Preprocess(modalities={"rgb": plane, "tir": plane}),
        subsets=("rgb", "tir", "rgb_tir"),
        engines=engines,
        files=dict(files),
    )


def write_bundle(folder: Path, signer: Signer, *, replace: bool = False) -> Path:
    with new_bundle(folder, signer, replace=replace) as writer:
        for file, data in CONTENT.items():
            writer.add(file, data)
        writer.finish(manifest(writer.digests))
    return folder
