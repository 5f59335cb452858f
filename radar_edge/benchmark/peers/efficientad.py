"""EfficientAD-S (Batzner et al., WACV 2024) with anomalib's model, for whoever has the distilled teacher's weights.

No package carries them, so without a file it refuses. Deviations: the student's penalty, for which the paper takes
images of ImageNet, takes Perlin noise; the maps are normalised by a tenth of the training images, which are trained
on as well, where the paper holds some out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from anomalib.data.utils.generators.perlin import generate_perlin_noise
from anomalib.models.image.efficient_ad.torch_model import EfficientAdModel, reduce_tensor_elems
from pictures import read_batch
from seam import ENVIRONMENT, USER, RefusalError
from training import Fit, train
from weights import load_into, named

STEPS = 70_000
"""Of one image each, as in the paper."""
LEAST_SIZE_PX = 256
"""The autoencoder's last convolution looks at 8 x 8 of a thirty-second."""


def efficientad(weights: Path | None) -> tuple[EfficientAdModel, Callable[[Fit], None], str]:
    """(the model, how it is fitted, what its teacher is called). Raises RefusalError without weights."""
    if weights is None:
        raise RefusalError(
            ENVIRONMENT,
            "EfficientAD needs a pretrained teacher, which no package carries",
            found="weights null",
            wanted="anomalib's pretrained_teacher_small.pth",
            next_step="fetch efficientad_pretrained_weights.zip from anomalib's releases and name the file",
        )
    model = EfficientAdModel()
    load_into(model.teacher, weights)
    return model, lambda data: fit(model, data), named(weights)


def fit(model: EfficientAdModel, data: Fit) -> None:
    steps, size_px = data.job.steps or STEPS, data.job.size_px
    if size_px < LEAST_SIZE_PX:
        raise RefusalError(
            USER,
            "the images are too small for EfficientAD",
            found=size_px,
            wanted=f"{LEAST_SIZE_PX} pixels",
            next_step="a larger size_px",
        )
    model.mean_std.update(teacher_statistics(model, data))
    learned = [*model.student.parameters(), *model.ae.parameters()]
    optimizer = torch.optim.Adam(learned, lr=1e-4, weight_decay=1e-5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=max(1, int(0.95 * steps)), gamma=0.1)

    def loss_of(step: int) -> torch.Tensor:
        noise = generate_perlin_noise(size_px, size_px, device=torch.device("cpu"))
        stranger = (noise * 0.5 + 0.5).clamp(0, 1).expand(1, 3, -1, -1)
        return sum(model(data.drawn(step, 1), stranger))  # type: ignore[no-any-return]

    train(data, model, optimizer, scheduler, steps, loss_of)
    model.eval()
    model.quantiles.update(map_quantiles(model, data))


@torch.no_grad()
def teacher_statistics(model: EfficientAdModel, data: Fit) -> dict[str, torch.Tensor]:
    """Mean and standard deviation of each of the teacher's channels, `[1, C, 1, 1]`."""
    moments = [
        (features.mean((0, 2, 3)), features.square().mean((0, 2, 3)))
        for features in (model.teacher(images) for images in data.batches(1, "teacher's features"))
    ]
    mean, square = (torch.stack(each).mean(0) for each in zip(*moments, strict=True))
    std = (square - mean.square()).clamp_min(1e-12).sqrt()
    return {"mean": mean.view(1, -1, 1, 1), "std": std.view(1, -1, 1, 1)}


@torch.no_grad()
def map_quantiles(model: EfficientAdModel, data: Fit) -> dict[str, torch.Tensor]:
    """Which values of the two maps become 0 and 0.1."""
    pairs = [model.get_maps(read_batch([path], data.job.size_px)) for path in data.job.train[::10]]
    maps = {"st": torch.cat([pair[0] for pair in pairs]), "ae": torch.cat([pair[1] for pair in pairs])}
    return {
        f"{letter}_{name}": torch.quantile(reduce_tensor_elems(values), quantile)
        for name, values in maps.items()
        for letter, quantile in (("qa", 0.9), ("qb", 0.995))
    }
