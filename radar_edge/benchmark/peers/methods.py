"""The methods by name: anomalib's own models, driven without its engine, which wants data sets and downloads.

Each is a model whose call on a batch gives `pred_score` and `anomaly_map`, and how it is fitted. What deviates from
anomalib or a paper is said at the method. Knows no job file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from anomalib.data.utils.generators.perlin import PerlinAnomalyGenerator
from anomalib.models.components import TimmFeatureExtractor
from anomalib.models.image.draem.loss import DraemLoss
from anomalib.models.image.draem.torch_model import DraemModel
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from anomalib.models.image.stfpm.loss import STFPMLoss
from anomalib.models.image.stfpm.torch_model import STFPMModel
from backbones import NAME, PATCH_STAGES, PYRAMID_STAGES, drop_whole, fresh, pretrained
from coreset import k_centres
from cutpaste import CutPasteModel, three_ways
from efficientad import efficientad
from pictures import normalised
from torch import nn
from torchvision.models import resnet18
from training import Fit, train
from weights import load_into, named

FEATURE_BATCH = 8
BANK_SHARE = 0.01
"""Of the training patches: the paper's PatchCore-1 %, 0.1 points of AUROC below 10 % on MVTec AD."""
LEAST_BANK = 1000
POOL = 100_000
"""Patches among which the bank is chosen: each turn of the choice goes through all of them."""
PADIM_FEATURES = 100
"""Of 128, drawn by chance: the paper's number for ResNet-18."""


@dataclass(frozen=True)
class Method:
    """`prepare` turns 0..1 into the model's input. `weights` says what was pretrained and whose file it was."""

    model: nn.Module
    prepare: Callable[[torch.Tensor], torch.Tensor]
    fit: Callable[[Fit], None]
    backbone: str
    weights: str


def patchcore(weights: Path | None) -> Method:
    """Without augmentation or crop; the selection of patches is coreset.k_centres."""
    network, name = pretrained(weights)
    model = PatchcoreModel(layers=PATCH_STAGES, backbone=network)
    drop_whole(model)

    def fit(data: Fit) -> None:
        model.train()
        patches = torch.cat([model(normalised(batch)) for batch in data.batches(FEATURE_BATCH, "training images")])
        model.embedding_store.clear()
        count = min(len(patches), max(LEAST_BANK, round(BANK_SHARE * len(patches))))
        pool = patches[torch.randperm(len(patches))[: max(POOL, count)]]
        model.memory_bank = pool[k_centres(pool, count, data.job.seed, data.report)].clone()

    return Method(model, normalised, fit, NAME, name)


def padim(weights: Path | None) -> Method:
    network, name = pretrained(weights)
    model = PadimModel(backbone=network, layers=list(PATCH_STAGES), n_features=PADIM_FEATURES)
    drop_whole(model)

    def fit(data: Fit) -> None:
        model.train()
        for batch in data.batches(FEATURE_BATCH, "training images"):
            model(normalised(batch))
        model.fit()

    return Method(model, normalised, fit, NAME, name)


def stpm(weights: Path | None) -> Method:
    """The loss is anomalib's over the batch's size: the mean of the paper, whose learning rate is for it."""
    passes, batch = 100, 32
    network, name = pretrained(weights)
    # anomalib would cut teacher and student from the one backbone it is handed, and they would share their weights.
    model = STFPMModel(layers=PYRAMID_STAGES, backbone=fresh())
    model.teacher_model = TimmFeatureExtractor(network, PYRAMID_STAGES).eval().requires_grad_(False)
    model.student_model = TimmFeatureExtractor(fresh(), PYRAMID_STAGES, requires_grad=True)
    drop_whole(model)
    criterion = STFPMLoss()

    def fit(data: Fit) -> None:
        optimizer = torch.optim.SGD(model.student_model.parameters(), lr=0.4, momentum=0.9, weight_decay=1e-4)
        steps = data.steps_of(passes, batch)
        constant = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)

        def loss_of(step: int) -> torch.Tensor:
            return criterion(*model(normalised(data.drawn(step, batch)))) / batch  # type: ignore[no-any-return]

        train(data, model, optimizer, constant, steps, loss_of)

    return Method(model, normalised, fit, NAME, name)


def draem(weights: Path | None) -> Method:
    """From scratch; `weights` continue from a state of the same model.

    The texture of a synthetic anomaly is anomalib's own Perlin noise, augmented, where the paper takes photographs
    of textures (DTD). The learning rate falls at four and six sevenths of the steps, the paper's 400 and 600 of 700.
    """
    passes, batch = 700, 8
    model = DraemModel()
    if weights is not None:
        load_into(model, weights)
    criterion, augment = DraemLoss(), PerlinAnomalyGenerator(blend_factor=(0.1, 1.0))

    def fit(data: Fit) -> None:
        steps = data.steps_of(passes, batch)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        falls = [max(1, steps * 4 // 7), max(2, steps * 6 // 7)]
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=falls, gamma=0.1)

        def loss_of(step: int) -> torch.Tensor:
            images = data.drawn(step, batch)
            changed, mask = augment(images)
            reconstruction, prediction = model(changed)
            return criterion(images, reconstruction, mask, prediction)  # type: ignore[no-any-return]

        train(data, model, optimizer, scheduler, steps, loss_of)

    return Method(model, lambda batch: batch, fit, "none", "from scratch" if weights is None else named(weights))


def cut_paste(weights: Path | None) -> Method:
    """ResNet-18 from scratch, or from `weights`, a state of torchvision's. What deviates is said in cutpaste.py."""
    passes, batch = 256, 32
    network = resnet18(weights=None)
    if weights is not None:
        load_into(network, weights)
    model = CutPasteModel(network)

    def fit(data: Fit) -> None:
        steps = data.steps_of(passes, batch)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=3e-5)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)

        def loss_of(step: int) -> torch.Tensor:
            images, kinds = three_ways(data.drawn(step, batch), np.random.default_rng((data.job.seed, step)))
            return nn.functional.cross_entropy(model.kinds(normalised(images)), kinds)

        train(data, model, optimizer, cosine, steps, loss_of)
        model.eval()
        with torch.no_grad():
            features = [model.network(normalised(images)) for images in data.batches(FEATURE_BATCH, "training images")]
        model.describe(torch.cat(features).numpy())

    return Method(model, normalised, fit, "resnet18", "from scratch" if weights is None else named(weights))


def efficient_ad(weights: Path | None) -> Method:
    model, fit, name = efficientad(weights)
    return Method(model, lambda batch: batch, fit, "pdn_small", name)


METHODS: dict[str, Callable[[Path | None], Method]] = {
    "patchcore": patchcore,
    "padim": padim,
    "stpm": stpm,
    "cutpaste": cut_paste,
    "draem": draem,
    "efficientad": efficient_ad,
}
