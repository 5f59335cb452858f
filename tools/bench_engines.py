"""What build-engines promises, measured on one run: a bundle is built from nothing, and held against its run.

    tools/bench_engines.py RUN --data SET --work FOLDER [--target-frr F] [--json]

specialised  largest difference of each specialised graph to the masked one, on held-out parts; bytes of weights that
             belong to an absent modality
cost         MACs, the texture's share of them, and latency at one thread in interleaved runs, as shares of the engine
             of all modalities
gates        what FP16 and INT8 engines lost on held-out good parts and corrupted copies of them
rounding     layers in INT8, those that went back to FP16 and why, what the texture statistics are computed in, and the
             largest share of a tensor's held-out values that lies beyond its range
precision    image AUROC and AUPRO that FP16 and INT8 engines lose on the test parts, with paired 95 % intervals
parity       largest score difference of PyTorch, the exported graph with its mask, and the bundle, on every test part;
             decisions that differ although the score is further than 1e-4 from the threshold
compiled     TensorRT-RTX takes every graph, and gives the same plan twice
seconds      of the whole build, three precisions, with the preflight

The last line on stdout is JSON with the figures, `faults` and the machine; exit 1 if a figure falls short.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from radar_edge.bundle import PRECISIONS, Bundle, Precision, Signer, create_key
from radar_edge.cli.bench import cases_of, machine
from radar_edge.data.layouts import Sample
from radar_edge.evaluation.compare import compare
from radar_edge.evaluation.evaluate import Judged, judge
from radar_edge.export.build import Result, build_bundle, open_workshop
from radar_edge.export.calibrate import CalibrationRecord
from radar_edge.export.engine_build import PlanOptions, build_plan, load
from radar_edge.export.graph import WEIGHTED, node_macs, output_names, static_shapes
from radar_edge.export.layers import count, layer_facts, plain
from radar_edge.export.onnx_export import MASK
from radar_edge.export.preflight import FLAVOUR, compiler
from radar_edge.export.specialize import foreign_weights
from radar_edge.export.workshop import Workshop
from radar_edge.inference.bench import bench
from radar_edge.inference.onnxruntime_runner import OUTPUT_MAP, open_session
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset
from radar_edge.scoring import image_score
from radar_edge.training.torch_runner import TorchRunner

MASKED_LIMIT, SCORE_LIMIT = 1e-5, 1e-4
MAC_SHARE, LATENCY_SHARE = 0.55, 0.60
LOSSES = {"fp16": (0.001, 0.001), "int8": (0.005, 0.01)}
"""Of image AUROC and AUPRO."""
SECONDS = 300
ROUNDS = 200
TEXTURE = "texture."
"""How the layers of the texture statistics are named: camera filters, a covariance. No INT8 reaches them."""


def main() -> None:
    arguments = parse()
    shutil.rmtree(arguments.work, ignore_errors=True)
    signer = create_key(arguments.work / "keys")
    begun = time.monotonic()
    shop, result = build(arguments, signer)
    seconds = time.monotonic() - begun
    found: dict[str, Any] = {
        "set": arguments.data.name,
        "weights_sha256": shop.run.weights_sha256,
        "modalities": list(shop.run.modalities),
        "input_px": shop.run.model.config.height,
        "target_frr": arguments.target_frr,
        "seconds": round(seconds, 1),
        "refused": [f"{one.subset} {one.precision}" for one in result.bundle.manifest.refused],
        "specialised": specialised(shop),
        "cost": cost(result.bundle),
        "gates": gates(result.bundle),
        "rounding": rounding(result.bundle),
        **on_test_parts(shop, result.bundle),
        "compiled": compiled(result.bundle),
    }
    found["faults"] = faults(found)
    print(json.dumps({**found, **machine()}))
    sys.exit(1 if found["faults"] else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="emptied first")
    parser.add_argument("--target-frr", type=float, default=0.05)
    parser.add_argument("--json", action="store_true", help="as every bench takes it; the output is JSON anyway")
    return parser.parse_args()


def build(arguments: argparse.Namespace, signer: Signer) -> tuple[Workshop, Result]:
    work = arguments.work
    shop = open_workshop(arguments.run, arguments.data, work=work / "build", ranges_folder=work / "calibration")
    bundle = build_bundle(
        shop, work / "bundle", target_frr=arguments.target_frr, signer=signer, compile_graph=compiler()
    )
    return shop, bundle


def specialised(shop: Workshop) -> dict[str, Any]:
    full = onnx.load_from_string(shop.full)
    session = open_session(shop.full)
    rows = {}
    for subset in shop.subsets:
        engine = onnx.load_from_string(shop.fp32(subset))
        goods = shop.good(subset)
        with open_bytes(shop.fp32(subset)) as run:
            gaps, scores = [], []
            for n in range(len(goods)):
                wanted = session.run([OUTPUT_MAP], masked(shop, subset, goods.one(n)))[0]
                found = run(goods.one(n))
                gaps.append(float(np.abs(found - wanted).max()) / max(1.0, float(np.abs(wanted).max())))
                scores.append(abs(image_score(found) - image_score(wanted)))
        foreign = foreign_weights(full, subset, shop.run.modalities)
        held = [tensor for tensor in engine.graph.initializer if tensor.name in foreign]
        rows[subset.slug] = {
            "max_map": max(gaps),
            "max_score": max(scores),
            "foreign_bytes": sum(len(tensor.SerializeToString()) for tensor in held),
            "outputs": sorted(output_names(engine)),
        }
    return rows


class open_bytes:  # noqa: N801 - reads as a function where it is used
    """A graph as a function from inputs to its map."""

    def __init__(self, graph: bytes) -> None:
        self.session = open_session(graph)

    def __enter__(self) -> Any:
        return lambda inputs: self.session.run([OUTPUT_MAP], inputs)[0]

    def __exit__(self, *_: object) -> None:
        del self.session


def masked(shop: Workshop, subset: Subset, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The full graph's inputs: garbage where the Subset has nothing, and its mask."""
    specs = shop.run.preprocess.modalities
    whole = {
        name: inputs.get(name, np.full((1, s.input_channels, s.height, s.width), 1e4, np.float32))
        for name, s in specs.items()
    }
    return {**whole, MASK: np.array([subset.mask(shop.run.modalities)], np.float32)}


def cost(bundle: Bundle) -> dict[str, Any]:
    cases = [case for case in cases_of(bundle) if case.threads == 1]
    rows = bench(cases, [], ROUNDS)["rows"]
    whole = max(case.macs for case in cases)
    return {
        f"{row['subset']}_{row['precision']}": {
            "mac_share": round(case.macs / whole, 4),
            "texture_mac_share": round(texture_macs(case.model) / case.macs, 4),
            "latency_share": None if row["of_all_modalities"] is None else round(row["of_all_modalities"], 4),
            "p50_ms": round(row["latency_ms"]["p50"], 2),
            "p99_ms": round(row["latency_ms"]["p99"], 2),
        }
        for case, row in zip(cases, rows, strict=True)
    }


def texture_macs(file: Path) -> int:
    model = onnx.load(file)
    shapes = static_shapes(model)
    weighted = [node for node in model.graph.node if node.op_type in WEIGHTED]
    return sum(node_macs(node, shapes) for node in weighted if plain(node.input[1]).startswith(TEXTURE))


def gates(bundle: Bundle) -> dict[str, Any]:
    return {
        f"{engine.subset}_{engine.precision}": {
            "images": gate.images,
            "auroc_loss": round(gate.auroc_fp32 - gate.auroc, 5),
            "aupro_loss": round(gate.aupro_fp32 - gate.aupro, 5),
            "map_correlation": round(gate.map_correlation, 5),
            "flipped": round(gate.flipped, 5),
        }
        for engine in bundle.manifest.engines
        if (gate := engine.gate) is not None
    }


def rounding(bundle: Bundle) -> dict[str, Any]:
    rows = {}
    for engine in bundle.manifest.engines:
        if engine.rounding is None:
            continue
        facts = layer_facts(onnx.load(bundle.path(engine.file)))
        ranges = CalibrationRecord.model_validate_json(bundle.path(engine.rounding.ranges).read_bytes())
        kept = Counter(layer.reason for layer in engine.rounding.kept)
        rows[engine.subset] = {
            "int8": engine.rounding.layers,
            "few_channels": kept["few channels"],
            "by_gate": kept["gate"],
            "saturated": max(tensor.saturated for tensor in ranges.tensors.values()),
            "texture": dict(count([fact for fact in facts if fact.name.startswith(TEXTURE)])),
        }
    return rows


def on_test_parts(shop: Workshop, bundle: Bundle) -> dict[str, Any]:
    """Losses of the lower precisions, and parity of PyTorch, graph and bundle."""
    parts = shop.dataset.select("test")
    by_precision = {p: judged_by(bundle, p, parts) for p in PRECISIONS}
    with ExitStack() as stack:
        networks = {s: stack.enter_context(TorchRunner(shop.run.model, s)) for s in shop.subsets}
        of_torch = judge(networks, parts, shop.run.preprocess)
    exact = by_precision["fp32"]
    return {
        "test_parts": len(parts),
        "precision": {p: losses(bundle, exact, by_precision[p], p) for p in ("fp16", "int8")},
        "parity": {s.slug: parity(bundle, s, of_torch[s], exact[s]) for s in shop.subsets},
    }


def judged_by(bundle: Bundle, precision: Precision, parts: tuple[Sample, ...]) -> dict[Subset, list[Judged]]:
    shipped = {(e.subset, e.precision): e for e in bundle.manifest.engines}
    with ExitStack() as stack:
        runners = {
            s: stack.enter_context(
                open_runner("onnxruntime", bundle.path(shipped[s.slug, precision].file), s, precision)
            )
            for s in bundle.subsets
            if (s.slug, precision) in shipped
        }
        return judge(runners, parts, bundle.manifest.preprocess)


def losses(bundle: Bundle, a: Any, b: Any, precision: str) -> dict[str, Any]:
    limits = [{s: bundle.engine(s, p).calibration.threshold for s in b} for p in ("fp32", precision)]
    found = compare(a, b, limits[0], limits[1])["subsets"]
    return {
        slug: {name: {"loss": minus(one[name]["difference"]), "ci": turned(one[name]["difference_ci"])}
               for name in ("image_auroc", "aupro_030")}
        for slug, one in found.items()
    }  # fmt: skip


def minus(value: float | None) -> float | None:
    return None if value is None else round(-value, 5)


def turned(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(-interval[1], 5), round(-interval[0], 5)]


def parity(bundle: Bundle, subset: Subset, network: list[Judged], engine: list[Judged]) -> dict[str, Any]:
    limit = bundle.engine(subset, "fp32").calibration.threshold
    pairs = [(one.score, two.score, one.sample.key) for one, two in zip(network, engine, strict=True)]
    near = [key for a, _, key in pairs if abs(a - limit) <= SCORE_LIMIT]
    turned_over = [key for a, b, key in pairs if (a > limit) != (b > limit) and abs(a - limit) > SCORE_LIMIT]
    return {"max_score": max(abs(a - b) for a, b, _ in pairs), "decided_differently": turned_over, "at_threshold": near}


def compiled(bundle: Bundle) -> dict[str, Any]:
    trt = load(FLAVOUR)
    rows = {}
    for engine in bundle.manifest.engines:
        graph = bundle.path(engine.file).read_bytes()
        plans = [build_plan(trt, graph, PlanOptions()).data for _ in range(2)]
        told = engine.preflight
        rows[f"{engine.subset}_{engine.precision}"] = {
            "same_twice": plans[0] == plans[1],
            "plan_bytes": len(plans[0]),
            "int8_bytes": told.int8_bytes if told is not None else 0,
        }
    return rows


def faults(found: Mapping[str, Any]) -> list[str]:
    wrong = [f"{s} differs from the masked graph" for s, r in found["specialised"].items()
             if max(r["max_map"], r["max_score"]) > MASKED_LIMIT or r["foreign_bytes"]]  # fmt: skip
    for name, row in found["cost"].items():
        share = row["latency_share"] or 0
        if row["mac_share"] < 1 and (row["mac_share"] > MAC_SHARE or share > LATENCY_SHARE):
            wrong.append(f"{name} costs {row['mac_share']:.0%} of the MACs and {share:.0%} of the time")
    for precision, subsets in found["precision"].items():
        for slug, one in subsets.items():
            for name, limit in zip(("image_auroc", "aupro_030"), LOSSES[precision], strict=True):
                if one[name]["loss"] is not None and one[name]["loss"] > limit:
                    wrong.append(f"{slug} {precision} loses {one[name]['loss']} of {name}")
    for slug, one in found["parity"].items():
        if one["max_score"] > SCORE_LIMIT or one["decided_differently"]:
            wrong.append(f"{slug}: the engine is not the network")
    wrong += [
        f"{slug}: INT8 reaches the texture" for slug, row in found["rounding"].items() if "int8" in row["texture"]
    ]
    wrong += [f"{name} is another plan the second time" for name, r in found["compiled"].items() if not r["same_twice"]]
    wrong += [f"{name} did not ship" for name in found["refused"]]
    if found["seconds"] > SECONDS:
        wrong.append(f"the build took {found['seconds']} s")
    return wrong


if __name__ == "__main__":
    main()
