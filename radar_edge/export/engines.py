"""The engines of one Subset, each with its evidence: thresholds, parity with the network, the gate. Knows no bundle.

FP32   ships always; must agree with the trained network
FP16   ships if it passes the gate
INT8   as FP16, after sensitive layers went back to FP16; ranges from its own calibration record
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import onnx

from radar_edge.bundle import Gate, KeptLayer, Parity, Precision, Refused, Rounding, ranges_file
from radar_edge.errors import ShortfallError
from radar_edge.export.gate import gate
from radar_edge.export.judged import Images, Judged, corrupted_images, judge, spread
from radar_edge.export.quantize import layers_of, quantisable
from radar_edge.export.sensitivity import Settled, layer_errors, probe_places, settle
from radar_edge.export.workshop import GATE_PARTS, Ranges, Workshop, digest, tools
from radar_edge.inference.onnxruntime_runner import OnnxRuntimeRunner
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration, calibrate, image_score
from radar_edge.training.anomalies import corrupt
from radar_edge.training.torch_runner import TorchRunner

PARITY_LIMIT = 1e-3
"""Largest difference of an FP32 engine's logits to the trained network's: rounding, not another function."""
WHOLE_MAPS = 16
"""Reference parts whose maps are kept in full and compared with the network's."""


@dataclass(frozen=True, eq=False)
class Engine:
    """A graph that ships."""

    subset: Subset
    precision: Precision
    graph: bytes
    judged: Judged
    calibration: Calibration
    parity: Parity
    gate: Gate | None = None
    rounding: Rounding | None = None


@dataclass(frozen=True, eq=False)
class Built:
    """All of one Subset."""

    engines: tuple[Engine, ...]
    refused: tuple[Refused, ...]
    keys: tuple[str, ...]
    """The held-out good parts that the engines judged, in this order, before any other image."""
    whole: tuple[int, ...]
    """Places of those whose maps were kept in full."""
    ranges: Ranges | None


@dataclass(eq=False)
class SubsetBuilder:
    """Makes and judges the engines of one Subset. `references`: keys of the parts whose maps are kept whole."""

    shop: Workshop
    subset: Subset
    target_frr: float
    references: Sequence[str]
    judgements: dict[str, Judged] = field(default_factory=dict)

    @cached_property
    def goods(self) -> Images:
        return self.shop.good(self.subset)

    @cached_property
    def images(self) -> Images:
        """Every held-out good part, then a corrupted copy of GATE_PARTS of them."""
        chosen = self.goods.some(spread(len(self.goods), GATE_PARTS))
        return self.goods.joined(corrupted_images(chosen, corrupt))

    @cached_property
    def gate_places(self) -> list[int]:
        return [*spread(len(self.goods), GATE_PARTS), *range(len(self.goods), len(self.images))]

    @cached_property
    def whole(self) -> list[int]:
        places = [self.goods.keys.index(key) for key in self.references]
        return [places[i] for i in spread(len(places), WHOLE_MAPS)]

    @cached_property
    def network_maps(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        with TorchRunner(self.shop.run.model, self.subset) as network:
            return np.concatenate([network.infer(self.goods.one(n)).anomaly_map for n in self.whole])

    def build(self, precisions: Sequence[Precision]) -> Built:
        """Raises ShortfallError if the FP32 engine does not agree with the trained network."""
        reference = self.engine("fp32", self.shop.fp32(self.subset))
        check_parity(reference)
        engines, refused = [reference], []
        ranges = self.shop.ranges(self.subset) if "int8" in precisions else None
        for precision in precisions:
            if precision == "fp16":
                found = self.engine("fp16", self.shop.fp16(self.subset), reference)
                tried = 0
            elif precision == "int8" and ranges is not None:
                found, tried = self.int8(reference, ranges)
            else:
                continue
            if found.gate is not None and not found.gate.passed:
                refused.append(Refused(subset=self.subset.slug, precision=precision, gate=found.gate, tried=tried))
            else:
                engines.append(found)
        return Built(tuple(engines), tuple(refused), self.goods.keys, tuple(self.whole), ranges)

    def int8(self, reference: Engine, ranges: Ranges) -> tuple[Engine, int]:
        """The INT8 engine with as few FP16 layers as its gate allows, passed or not, and how many were moved."""

        def attempt(kept: Sequence[str]) -> Gate:
            found = self.engine("int8", self.shop.int8(self.subset, ranges, kept), reference).gate
            assert found is not None
            return found

        fp32 = onnx.load_from_string(reference.graph)
        places = probe_places(reference.judged.scores[: len(self.goods)], len(self.images))
        probes = self.images.some(places)
        settled = settle(attempt, lambda: self.layer_errors(reference.graph, ranges.record.amax, probes))
        rounding = rounding_of(fp32, settled, self.subset, reference.calibration.spread)
        graph = self.shop.int8(self.subset, ranges, settled.kept)
        return self.engine("int8", graph, reference, rounding), len(settled.kept)

    def layer_errors(self, fp32: bytes, amax: Mapping[str, float], probes: Images) -> Mapping[str, float]:
        """Kept, because the search costs more than what a second build makes anew."""
        inputs = {"fp32": digest(fp32), "amax": amax, "images": probes.digest()}
        inputs |= tools("onnx-graphsurgeon", "onnxruntime")

        def measure() -> bytes:
            found = layer_errors(onnx.load_from_string(fp32), amax, probes, self.shop.progress)
            return json.dumps(list(found.items())).encode()  # a list, because equal errors rank by the graph's order

        return dict(json.loads(self.shop.cache.get(f"{self.subset}_errors", "json", inputs, measure)))

    def engine(
        self, precision: Precision, graph: bytes, reference: Engine | None = None, rounding: Rounding | None = None
    ) -> Engine:
        judged = self.judged(precision, graph)
        calibration = calibrate(judged.scores[: len(self.goods)].tolist(), self.target_frr, self.goods.groups)
        passed = None
        if reference is not None:
            results = [one.some(self.gate_places) for one in (reference.judged, judged)]
            pair = (reference.calibration, calibration)
            passed = gate(results[0], results[1], self.images.some(self.gate_places), pair, precision)
        return Engine(
            self.subset, precision, graph, judged, calibration, parity(judged, self.network_maps), passed, rounding
        )

    def judged(self, precision: Precision, graph: bytes) -> Judged:
        """All images through the graph, in ONNX Runtime; kept, because the search for layers comes back to it."""
        key = digest(graph)
        if key not in self.judgements:
            inputs = {"graph": key, "images": self.images.digest(), "whole": self.whole, **tools("onnxruntime")}
            stage = f"{self.subset}_{precision}_judged"
            data = self.shop.cache.get(stage, "npz", inputs, lambda: self.run_engine(precision, graph).to_bytes())
            self.judgements[key] = Judged.from_bytes(data)
        return self.judgements[key]

    def run_engine(self, precision: Precision, graph: bytes) -> Judged:
        with OnnxRuntimeRunner(graph, self.subset, precision) as runner:
            return judge(runner, self.images, self.whole, self.shop.progress, f"judge {self.subset} {precision}")


def rounding_of(fp32: onnx.ModelProto, settled: Settled, subset: Subset, unit: float) -> Rounding:
    layers = layers_of(fp32)
    kept = [KeptLayer(layer=layer.name, reason="few channels") for layer in layers if not quantisable(layer)]
    kept += [KeptLayer(layer=name, reason="gate", error=settled.errors[name] / unit) for name in settled.kept]
    return Rounding(ranges=ranges_file(subset.slug), layers=len(layers) - len(kept), kept=tuple(kept))


def parity(judged: Judged, wanted: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Parity:
    scores = [(image_score(a), image_score(b)) for a, b in zip(judged.maps, wanted, strict=True)]
    return Parity(
        parts=len(wanted),
        max_abs_map=float(np.abs(judged.maps - wanted).max()),
        max_abs_score=max(abs(a - b) for a, b in scores),
    )


def check_parity(*engines: Engine) -> None:
    gaps: Mapping[Subset, float] = {engine.subset: engine.parity.max_abs_map for engine in engines}
    faults = [f"{subset}: the map differs by {gap:.2g}" for subset, gap in gaps.items() if not gap <= PARITY_LIMIT]
    if faults:
        raise ShortfallError(
            "engines do not agree with the trained network on held-out good parts",
            faults=faults,
            wanted=f"at most {PARITY_LIMIT:g} on every pixel's logit",
            next_step="report this with run.json: the export is wrong, or the network's values are extreme",
        )
