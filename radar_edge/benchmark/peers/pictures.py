"""Image files to `[B, 3, S, S]` tensors in 0..1: 8 bit, RGB, or grey in three equal channels. Knows no method.

What a count of 16 bit looks like in 8 is for whoever writes the job to say, the same for every method.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from seam import USER, RefusalError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, RGB; what torchvision's weights were trained with."""


def read_batch(paths: Sequence[Path], size_px: int) -> torch.Tensor:
    """`[B, 3, S, S]`, 0..1. Raises RefusalError that names the file."""
    return torch.from_numpy(np.stack([planes(read(path), size_px) for path in paths]))


def read(path: Path) -> npt.NDArray[np.uint8]:
    """`[H, W, 3]` RGB. Raises RefusalError that names the file."""
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error) as error:
        raise unreadable(path, str(error).splitlines()[0]) from error
    if image is None:
        raise unreadable(path, "not an image")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,), (4,)):
        raise unreadable(path, f"{image.dtype} of shape {image.shape}")
    # Alpha is dropped, as it is for RADAR.
    code = {2: cv2.COLOR_GRAY2RGB}.get(image.ndim) or (cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return cv2.cvtColor(image, code)  # type: ignore[return-value]


def unreadable(path: Path, found: str) -> RefusalError:
    return RefusalError(
        USER,
        f"cannot use the image {path}",
        found=found,
        wanted="8 bit, grey or RGB",
        next_step="repair it, or leave it out of the job",
    )


def planes(image: npt.NDArray[np.uint8], size_px: int) -> npt.NDArray[np.float32]:
    """`[3, S, S]`"""
    shrinks = min(image.shape[:2]) >= size_px
    square = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.ascontiguousarray(square.transpose(2, 0, 1), np.float32) / np.float32(255)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """0..1 to what networks trained on ImageNet expect."""
    mean, std = (torch.tensor(values, dtype=images.dtype).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (images - mean) / std
