"""Small pictures of a part for a report, as `data:` addresses: what a camera saw, and what an engine made of it.

Knows pixels and logits, nothing of HTML. A 16-bit picture is stretched to its own range, so that a person sees its
contrast; nothing but this display ever does that.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.evaluation.metrics import Flags
from radar_edge.inference.runner import Tensor
from radar_edge.records import Image

SIDE = 192
"""Longest side of an embedded picture in px."""
JPEG_QUALITY = 80
OUTLINE = (0, 255, 255)
HEAT_OPACITY = 0.7

Picture = npt.NDArray[np.uint8]
"""`[H, W, 3]`, RGB."""


def data_address(picture: Picture) -> str:
    """The picture as a JPEG in a `data:` address."""
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise ValueError(f"OpenCV cannot encode a picture of {picture.shape}")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def show_image(image: Image) -> Picture:
    """A camera's image at SIDE: colour and 8 bit as they are, one channel of 16 bit in false colours."""
    small = fit(image)
    if small.ndim == 3 and small.dtype == np.uint8:
        return np.ascontiguousarray(small[..., :3] if small.shape[2] >= 3 else small[..., [0, 0, 0]])
    plane = small if small.ndim == 2 else small[..., 0]
    if plane.dtype == np.uint8:
        return np.repeat(plane[..., None], 3, axis=2)
    return colours(stretch(plane), cv2.COLORMAP_INFERNO)


def range_of(image: Image) -> tuple[int, int]:
    """Lowest and highest raw count, for the caption of a stretched picture."""
    return int(image.min()), int(image.max())


def show_heat(base: Picture, heat: Tensor, low: float, middle: float) -> Picture:
    """The map over the picture: clear at logits up to `low`, half way at `middle`, full at as much again."""
    level = np.clip((heat - low) / max(2 * (middle - low), 1e-6), 0, 1)
    level = cv2.resize(level, base.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    opacity = (HEAT_OPACITY * np.minimum(2 * level, 1))[..., None]
    blended = grey(base) * (1 - opacity) + colours(level, cv2.COLORMAP_TURBO) * opacity
    return np.asarray(blended, np.uint8)


def show_share(share: npt.NDArray[np.float32], shape: tuple[int, ...]) -> Picture:
    """A modality's weight in the fusion, black for 0 and white for 1."""
    plane = cv2.resize(np.clip(share, 0, 1), shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.repeat((plane * 255).astype(np.uint8)[..., None], 3, axis=2)


def dimmed(picture: Picture) -> Picture:
    """Grey and half as bright, so that an outline on it stands out."""
    return np.asarray(0.5 * grey(picture), np.uint8)


def outlined(picture: Picture, mask: Flags) -> Picture:
    """With the mask's borders drawn on it."""
    large = cv2.resize(mask.astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    borders, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = picture.copy()
    cv2.drawContours(drawn, borders, -1, OUTLINE, 1)
    return drawn


def fit(image: Image) -> Image:
    """Scaled to a longest side of SIDE."""
    scale = SIDE / max(image.shape[:2])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, size, interpolation=interpolation)  # type: ignore[return-value]


def stretch(plane: Image) -> npt.NDArray[np.float32]:
    """0 to 1 between the 0.5 and 99.5 percentiles."""
    low, high = np.percentile(plane, [0.5, 99.5])
    return np.asarray(np.clip((plane - low) / max(high - low, 1), 0, 1), np.float32)


def grey(picture: Picture) -> npt.NDArray[np.float32]:
    return np.repeat(picture.mean(axis=2, dtype=np.float32)[..., None], 3, axis=2)


def colours(level: npt.NDArray[np.float32], table: int) -> Picture:
    """0 to 1 in OpenCV's colour table."""
    return cv2.applyColorMap((level * 255).astype(np.uint8), table)[..., ::-1]  # type: ignore[return-value]
