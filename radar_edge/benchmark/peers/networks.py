"""The methods' networks as export.py writes them: of full size, with weights of no meaning. Knows no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from anomalib.models.components import TimmFeatureExtractor
from anomalib.models.image.draem.torch_model import DraemModel
from anomalib.models.image.efficient_ad.torch_model import EfficientAdModel
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from anomalib.models.image.stfpm.torch_model import STFPMModel
from backbones import PATCH_STAGES, drop_whole, fresh
from cutpaste import CutPasteModel
from methods import PADIM_FEATURES
from torch import nn
from torchvision.models import resnet18

OPSET = 18
BANK = 10_000
"""Patches of PatchCore's memory bank: 1 % of those of a thousand images of 256 pixels."""
MEAN = 0.1
"""Of EfficientAD's teacher, and the lower end of its maps: zeros would mean that it was never fitted."""


@dataclass(frozen=True)
class Network:
    model: nn.Module
    what: str


def patchcore(_: int) -> Network:
    model = PatchcoreModel(layers=PATCH_STAGES, backbone=fresh())
    drop_whole(model)
    model.memory_bank = torch.randn(BANK, sum(model.feature_extractor.out_dims))
    return Network(model, f"PatchCore, MobileNetV2, a bank of {BANK} patches")


def padim(size_px: int) -> Network:
    model = PadimModel(backbone=fresh(), layers=list(PATCH_STAGES), n_features=PADIM_FEATURES)
    drop_whole(model)
    places = (size_px // 8) ** 2
    model.gaussian.mean = torch.randn(PADIM_FEATURES, places)
    model.gaussian.inv_covariance = torch.eye(PADIM_FEATURES).repeat(places, 1, 1)
    return Network(model, f"PaDiM, MobileNetV2, {PADIM_FEATURES} features at {places} places")


def stpm(_: int) -> Network:
    """The paper's network, not the MobileNetV2 whose weights judge.py has."""
    stages = ("layer1", "layer2", "layer3")
    model = STFPMModel(layers=stages, backbone=resnet18(weights=None))
    model.teacher_model, model.student_model = (TimmFeatureExtractor(resnet18(weights=None), stages) for _ in range(2))
    drop_whole(model)
    return Network(model, "STPM, ResNet-18 as teacher and as student")


def cutpaste(_: int) -> Network:
    return Network(CutPasteModel(resnet18(weights=None)), "CutPaste, ResNet-18, score only")


def draem(_: int) -> Network:
    return Network(DraemModel(), "DRAEM, both networks")


def efficientad(_: int) -> Network:
    model = EfficientAdModel()
    # Zeros would mean that it was never fitted, and leave the normalisation out.
    shape = (1, model.teacher_out_channels, 1, 1)
    model.mean_std.update({"mean": torch.full(shape, MEAN), "std": torch.ones(shape)})
    model.quantiles.update(
        {f"q{end}_{name}": torch.tensor(at) for name in ("st", "ae") for end, at in (("a", 0.1), ("b", 1.0))}
    )
    return Network(model, "EfficientAD-S: teacher, student and autoencoder")


NETWORKS: dict[str, Callable[[int], Network]] = {
    "patchcore": patchcore,
    "padim": padim,
    "stpm": stpm,
    "cutpaste": cutpaste,
    "draem": draem,
    "efficientad": efficientad,
}


class Plain(nn.Module):
    """A model whose outputs are a tuple of tensors: score `[1]` and, where there is one, map `[1, 1, S, S]`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        judged = self.model(image)
        if judged.anomaly_map is None:
            return (judged.pred_score.reshape(1),)
        return judged.pred_score.reshape(1), judged.anomaly_map.reshape(1, 1, *image.shape[2:])


def onnx_bytes(network: Network, size_px: int) -> bytes:
    """Of one image `[1, 3, S, S]` a run."""
    model = Plain(network.model).eval()
    example = torch.rand(1, 3, size_px, size_px)
    with torch.no_grad():
        outputs = ["score", "anomaly_map"][: len(model(example))]
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=outputs,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter gave no graph")
    return program.model_proto.SerializeToString()  # type: ignore[no-any-return]
