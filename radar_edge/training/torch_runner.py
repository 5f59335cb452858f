"""The Runner on the trained network itself: the reference that every engine is compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from radar_edge.inference.runner import Inference, Runner, Tensor
from radar_edge.modality import Subset
from radar_edge.models.radar import Radar


class TorchRunner(Runner):
    """The full network with the presence mask of one Subset; absent inputs are zeros."""

    def __init__(self, model: Radar, subset: Subset) -> None:
        config = model.config
        shapes = {name: (1, config.channels[name], config.height, config.width) for name in subset}
        super().__init__(subset, "torch", shapes)
        self._model = model.eval()
        self._mask = torch.tensor([subset.mask(model.modalities)], dtype=torch.float32)
        self._absent = {
            name: torch.zeros(1, channels, config.height, config.width)
            for name, channels in config.channels.items()
            if name not in subset
        }

    @torch.inference_mode()
    def _infer(self, inputs: Mapping[str, Tensor]) -> Inference:
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        output = self._model({**tensors, **self._absent}, self._mask)
        keep = [i for i, name in enumerate(self._model.modalities) if name in self.subset]
        contribution = output.contribution[:, keep].numpy() if len(keep) > 1 else None
        return Inference(output.anomaly_map.numpy(), contribution)

    def close(self) -> None:
        """Nothing to free: the network belongs to the caller."""
