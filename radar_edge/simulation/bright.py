"""A signed bundle of tiny engines, and image files of parts that it can judge: bright means bad. For tests and benches.

Its engines cost nothing, so that what a line costs is the line's own. Knows no training.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from radar_edge.bundle import (
    EngineEntry,
    Manifest,
    ModelInfo,
    Parity,
    create_key,
    engine_file,
    load_signer,
    new_bundle,
    reference_file,
)
from radar_edge.bundle.store import BundleWriter
from radar_edge.modality import Subset, all_subsets
from radar_edge.preprocess import ModalityPreprocess, Preprocess, write_png
from radar_edge.scoring import Calibration, image_score
from radar_edge.simulation.example_line import MODALITIES

SIDE = 32
SPECS = {
    "rgb": ModalityPreprocess(channels=3, bit_depth=8, height=SIDE, width=SIDE, offset=(0.0,) * 3, scale=(255.0,) * 3),
    "tir": ModalityPreprocess(channels=1, bit_depth=16, height=SIDE, width=SIDE, offset=(0.0,), scale=(65535.0,)),
}
CALIBRATION = Calibration(
    scores=(0.2, 0.25, 0.3), weights=(1.0,) * 3, groups=3, target_frr=0.3, threshold=0.5, ng_frr=0.3, ng_threshold=1.5
)
REFERENCES = 12
CYCLE = 5
"""Part n is bad if n is a multiple of this."""


def engine_bytes(subset: Subset) -> bytes:
    """The mean of all channels as the map; equal attention."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, SPECS[name].channels, SIDE, SIDE)) for name in subset
    ]
    grey = [helper.make_node("ReduceMean", [name], [f"{name}_grey"], axes=[1], keepdims=1) for name in subset]
    nodes = [*grey, helper.make_node("Mean", [f"{name}_grey" for name in subset], ["anomaly_map"])]
    outputs = [helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, (1, 1, SIDE, SIDE))]
    constants = []
    if len(subset) > 1:
        shape = (1, len(subset), 4, 4)
        share = np.full(shape, 1 / len(subset), np.float32)
        constants = [helper.make_tensor("share", TensorProto.FLOAT, shape, share.tobytes(), raw=True)]
        nodes.append(helper.make_node("Identity", ["share"], ["contribution"]))
        outputs.append(helper.make_tensor_value_info("contribution", TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, str(subset), inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def good_parts() -> dict[str, np.ndarray]:
    """Reference parts as network inputs, `[N, C, H, W]` a modality."""
    rng = np.random.default_rng(1)
    shapes = {name: (REFERENCES, SPECS[name].channels, SIDE, SIDE) for name in MODALITIES}
    return {name: rng.uniform(0.2, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def npz(**arrays: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


def add_references(writer: BundleWriter, subsets: Sequence[Subset]) -> None:
    """What `verify` and `finish` hold the engines against."""
    goods = good_parts()
    names = np.array([f"part{n}" for n in range(REFERENCES)])
    writer.add("reference/inputs.npz", npz(**goods, key=names, group=names))
    for subset in subsets:
        grey = np.stack([goods[name].mean(axis=1, keepdims=True) for name in subset])
        maps = np.asarray(grey.mean(axis=0), np.float32)
        scores = np.array([image_score(one[None]) for one in maps])
        said = npz(score=scores, anomaly_map=maps[:1], whole=np.arange(1))
        writer.add(reference_file(subset.slug, "fp32"), said)


def write_bundle(folder: Path, keys: Path, calibration: Calibration = CALIBRATION) -> None:
    """A bundle of every Subset at fp32, signed with the key in `keys`, which is made if there is none."""
    subsets = all_subsets(MODALITIES)
    digest = "0" * 64
    signer = load_signer(keys) if (keys / "signing.key").exists() else create_key(keys)
    with new_bundle(folder, signer) as writer:
        for subset in subsets:
            writer.add(engine_file(subset.slug, "fp32"), engine_bytes(subset))
        add_references(writer, subsets)
        engines = tuple(
            EngineEntry(
                subset=subset.slug,
                precision="fp32",
                file=engine_file(subset.slug, "fp32"),
                macs=1,
                parameters=1,
                parity=Parity(parts=1, max_abs_map=0.0, max_abs_score=0.0),
                calibration=calibration,
            )
            for subset in subsets
        )
        model = ModelInfo(
            modalities=MODALITIES, shape={}, weights_sha256=digest, run_sha256=digest, data_sha256=digest, seed=0
        )
        writer.finish(
            Manifest(
                schema_version=2,
                created_by="test",
                model=model,
                preprocess=Preprocess(modalities=SPECS),
                subsets=tuple(subset.slug for subset in subsets),
                engines=engines,
                files=writer.digests,
            )
        )


def is_bad(part: int) -> bool:
    return part % CYCLE == 0


def write_parts(folder: Path) -> None:
    """One cycle of parts, a folder a modality, in order of names."""
    rng = np.random.default_rng(0)
    for part in range(1, CYCLE + 1):
        level = 0.8 if is_bad(part) else 0.25
        rgb = np.clip(rng.normal(255 * level, 5, (48, 48, 3)), 0, 255).astype(np.uint8)
        tir = np.clip(rng.normal(65535 * level, 500, (48, 48)), 0, 65535).astype(np.uint16)
        write_png(folder / "rgb" / f"{part:03d}.png", rgb)
        write_png(folder / "tir" / f"{part:03d}.png", tir)


PATIENT = {
    "deadline_ms": 2000,
    "pair_wait_ms": 1000,
    "max_skew_ms": 1000,
    "health": {"tolerated_drops": 60, "recover_frames": 2},
}
"""Of a line whose test is about other things than time, on a machine that stalls."""
