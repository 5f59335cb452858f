"""Small pictures for people, from a camera's image and an engine's map. Pure; what they show decides nothing."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.preprocess import ModalityPreprocess, placed
from radar_edge.records import Image
from radar_edge.scoring import Calibration

SIDE_PX = 480
"""The longer side of a picture on a screen."""
HEAT_PX = 128
QUALITY = 80
WINDOW = 2.5
"""A thermal picture spans so many of the model's scales on both sides of its offset."""

Bytes8 = npt.NDArray[np.uint8]


def jpeg(image: Image, spec: ModalityPreprocess) -> bytes:
    """`image` `[H, W]` or `[H, W, 3]` as people see it, cut as the model sees it; a thermal one white-hot."""
    return encode_jpeg(window(shrink(placed(spec, image), SIDE_PX), spec))


def encode_jpeg(shown: Bytes8) -> bytes:
    """`[H, W]` or RGB `[H, W, 3]`."""
    if shown.ndim == 3:
        shown = np.ascontiguousarray(shown[..., 2::-1])
    ok, data = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        raise ValueError(f"no JPEG can be made of {shown.dtype} {shown.shape}")
    return data.tobytes()


def shrink(pixels: Image, side_px: int) -> Image:
    """No side longer than `side_px`; a smaller picture stays as it is."""
    height, width = pixels.shape[:2]
    share = side_px / max(height, width)
    if share >= 1:
        return pixels
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def window(pixels: Image, spec: ModalityPreprocess) -> Bytes8:
    """To 8 bit: a fixed window, so that warmer parts look warmer."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8)
    # A camera may deliver another kind than the model knows; its picture is shown all the same.
    offset, scale = spec.offset[0], spec.scale[0]
    shares = (pixels.astype(np.float32) - offset) / (2 * WINDOW * scale) + 0.5
    return np.asarray(np.clip(shares, 0, 1) * 255, np.uint8)


def heat_png(anomaly_map: npt.NDArray[Any], calibration: Calibration) -> bytes:
    """`[..., H, W]` logits -> 8-bit PNG: 0 for the median good part's score and below, 128 at the threshold."""
    logits = np.asarray(anomaly_map, np.float32).reshape(anomaly_map.shape[-2:])
    relative = (logits - calibration.threshold) / calibration.spread  # -1 .. 0 .. as Calibration.relative
    small = shrink(np.asarray(np.clip((relative + 1) * 128, 0, 255), np.uint8), HEAT_PX)
    ok, data = cv2.imencode(".png", small)
    if not ok:
        raise ValueError(f"no PNG can be made of a map of {anomaly_map.shape}")
    return data.tobytes()
