"""The engines of a network with first weights: what RADAR costs, without a training. Judges nothing.

Neither time nor size depends on what the weights are, only on the network's shape, as long as no two tensors are equal
(the exporter keeps one of them) and none is zero (the graph folds to less). So the texture statistics are learned
before the first step, as in a training, but from noise, and everything is moved a little. INT8 ranges are measured on
noise, and no layer goes back to FP16, as the gate of a real build may decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import torch

from radar_edge.bundle import Precision
from radar_edge.export.calibrate import measure_ranges
from radar_edge.export.half import to_half
from radar_edge.export.onnx_export import export_onnx
from radar_edge.export.quantize import quantize, tensors_to_range
from radar_edge.export.specialize import specialize
from radar_edge.modality import Subset, all_subsets
from radar_edge.models.radar import Radar, RadarConfig

SIZE_PX = 256
CHANNELS = {"rgb": 3, "tir": 2}
"""As the preprocessing gives them: a thermal picture also brings its difference to its median."""
NOISE_PARTS = 4
MOVED = 0.01


@dataclass(frozen=True)
class Untrained:
    """One network; its graphs are made when they are asked for."""

    config: RadarConfig
    seed: int = 0

    @property
    def subsets(self) -> tuple[Subset, ...]:
        return all_subsets(tuple(self.config.channels))

    @cached_property
    def noise(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        """`[NOISE_PARTS, C, H, W]` a modality."""
        rng = np.random.default_rng(self.seed)
        height, width = self.config.height, self.config.width
        return {
            name: rng.standard_normal((NOISE_PARTS, channels, height, width), np.float32)
            for name, channels in self.config.channels.items()
        }

    @cached_property
    def full(self) -> onnx.ModelProto:
        torch.manual_seed(self.seed)
        model = Radar(self.config)
        for name, images in self.noise.items():
            model.texture[name].learn(torch.from_numpy(images))  # type: ignore[operator]
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point():
                    tensor += MOVED * torch.randn_like(tensor)
        return export_onnx(model.eval(), {name: (1, *images.shape[1:]) for name, images in self.noise.items()})

    def fp32(self, subset: Subset) -> onnx.ModelProto:
        return specialize(self.full, subset, tuple(self.config.channels))

    def engines(self, subset: Subset) -> dict[Precision, onnx.ModelProto]:
        """Precision -> graph, by the steps of `build-engines`."""
        fp32 = self.fp32(subset)
        images = {name: self.noise[name] for name in subset}
        ranges = measure_ranges(fp32, tensors_to_range(fp32), images, images)
        rounded = quantize(fp32, {name: tensor.amax for name, tensor in ranges.items()})
        return {"fp32": fp32, "fp16": to_half(fp32), "int8": to_half(rounded)}


def untrained(size_px: int = SIZE_PX, seed: int = 0) -> Untrained:
    """With the shipped recipe's width."""
    return Untrained(RadarConfig(channels=CHANNELS, height=size_px, width=size_px), seed)
