"""From a camera's image to the network's input: the single definition for training, calibration and device.

crop (ROI) -> homography -> resize -> normalise. Identity by default; all of it is in the bundle's manifest, but a
unit's own mount (`registration` in its line.yaml) takes the place of the bundle's homography. It does not know where
images come from, and never scales an image by its own statistics: the absolute level of a thermal image is evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from radar_edge.config import Registration
from radar_edge.errors import ConfigError, DatasetError, UsageError
from radar_edge.files import write_bytes
from radar_edge.records import Image

Tensor = npt.NDArray[np.float32]


class ModalityPreprocess(BaseModel):
    """What is done to one modality's images. Sizes in pixels, `offset` and `scale` in raw counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int = Field(ge=1, le=4, description="of the camera's image")
    bit_depth: int = Field(description="8 or 16, of the camera's image")
    height: int = Field(ge=16, description="of the network's input")
    width: int = Field(ge=16)
    offset: tuple[float, ...] = Field(description="per channel: x = (raw - offset) / scale")
    scale: tuple[float, ...]
    crop: tuple[int, int, int, int] | None = Field(default=None, description="top, left, height, width in raw pixels")
    homography: tuple[float, ...] | None = Field(
        default=None, description="3x3 row-major, raw pixel of this camera -> pixel of the reference view"
    )
    view: tuple[int, int] | None = Field(default=None, description="with homography: the view's height and width")
    median_channel: float | None = Field(
        default=None, description="adds a channel (raw - median of the frame) / this scale; never rescaled per frame"
    )

    @model_validator(mode="after")
    def _homography_has_a_view(self) -> ModalityPreprocess:
        if (self.homography is None) != (self.view is None):
            raise ValueError("homography and view go together")
        return self

    @property
    def input_channels(self) -> int:
        return self.channels + (self.median_channel is not None)


class Preprocess(BaseModel):
    """One ModalityPreprocess a modality, in the model's order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modalities: dict[str, ModalityPreprocess]

    def __call__(self, images: Mapping[str, Image]) -> dict[str, Tensor]:
        """Network inputs `[1, C, H, W]` of the given images. Raises UsageError for an unexpected image."""
        return {name: preprocess_image(self.modalities[name], image, name)[None] for name, image in images.items()}

    def on_unit(self, registration: Mapping[str, Registration]) -> Preprocess:
        """With a unit's own registrations in the place of those of the training images' mount.

        Raises ConfigError for a modality that was trained as its camera gave it: moving its pixels now would show
        the network what it has never seen.
        """
        untrained = [name for name in registration if self.modalities[name].homography is None]
        if untrained:
            raise ConfigError(
                "line.yaml registers a modality that the bundle was trained on without",
                found=", ".join(untrained),
                wanted="a bundle whose data set has the registration of its own mount in dataset.yaml",
                next_step="train again on such a data set, or take the block out of line.yaml",
            )
        moved = {
            name: self.modalities[name].model_copy(update={"homography": entry.homography, "view": entry.view})
            for name, entry in registration.items()
        }
        return Preprocess(modalities={**self.modalities, **moved})


def preprocess_image(spec: ModalityPreprocess, image: Image, name: str = "image") -> Tensor:
    """`[H, W]` or `[H, W, C]` raw counts -> `[C', h, w]` float32. Raises UsageError if depth or channels differ."""
    check_image(spec, image, name)
    planes = np.atleast_3d(resize(placed(spec, image), spec.height, spec.width)).astype(np.float32).transpose(2, 0, 1)
    shape = (-1, 1, 1)
    scaled = (planes - np.reshape(spec.offset, shape)) / np.reshape(spec.scale, shape)
    if spec.median_channel is not None:
        local = (planes.mean(axis=0) - np.median(planes)) / spec.median_channel
        scaled = np.concatenate([scaled, local[None]])
    return np.ascontiguousarray(scaled, dtype=np.float32)


def placed(spec: ModalityPreprocess, image: Image) -> Image:
    """The part of `image` that the network sees, in the reference view where there is one."""
    pixels = image
    top, left = 0, 0
    if spec.crop is not None:
        top, left, height, width = spec.crop
        pixels = pixels[top : top + height, left : left + width]
    if spec.homography is not None and spec.view is not None:
        pixels = warp(pixels, np.reshape(spec.homography, (3, 3)) @ shift(left, top), spec.view)
    return pixels


def shift(x: float, y: float) -> npt.NDArray[np.float64]:
    """The homography that moves a pixel by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def warp(image: Image, homography: npt.NDArray[np.float64], view: tuple[int, int]) -> Image:
    """`image` in a view of (height, width). Beyond its edge its last pixels go on: zero would read as deep frost."""
    height, width = view
    return cv2.warpPerspective(image, homography, (width, height), borderMode=cv2.BORDER_REPLICATE)  # type: ignore[return-value]


def check_image(spec: ModalityPreprocess, image: Image, name: str) -> None:
    """Raises UsageError unless `image` has the depth and channels that the model was trained with."""
    channels = 1 if image.ndim == 2 else image.shape[2]
    depth = image.dtype.itemsize * 8
    if (channels, depth) != (spec.channels, spec.bit_depth):
        raise UsageError(
            f"the {name} image is not of the kind that the model was trained with",
            found=f"{channels} channel(s) of {depth} bit",
            wanted=f"{spec.channels} channel(s) of {spec.bit_depth} bit",
        )


def resize(image: Image, height: int, width: int) -> Image:
    """Halve by area while at least twice too large, then bilinear: no aliasing, and a tenth of INTER_AREA's time."""
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if image.shape[:2] != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return image


def read_image(path: Path) -> Image:
    """Decode a file at its own depth; colour comes in RGB order. Raises DatasetError if it cannot be decoded whole."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DatasetError(f"cannot read {path}", found=error.strerror) from error
    # Looked at before it is decoded: OpenCV would warn on stderr and fill the rest with grey.
    whole = data.size > 0 and not is_truncated(data)
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if whole else None
    if image is None or image.dtype not in (np.uint8, np.uint16):
        raise DatasetError(
            f"{path} is not a complete image",
            found=f"{data.size} bytes",
            wanted="PNG, JPEG, TIFF or BMP of 8 or 16 bit",
            next_step="copy the file again",
        )
    if image.ndim == 3:
        order = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGB
        image = cv2.cvtColor(image, order)
    return image  # type: ignore[return-value]


def is_truncated(data: npt.NDArray[np.uint8]) -> bool:
    """Whether a PNG or JPEG lacks its end: OpenCV decodes such a file and fills the rest with grey."""
    raw = data.tobytes()
    if raw.startswith(b"\x89PNG"):
        return b"IEND" not in raw[-16:]
    if raw.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in raw[-64:]
    return False


def encode_png(image: Image) -> bytes:
    """`[H, W]` or RGB `[H, W, 3]` -> a PNG file's bytes."""
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    ok, data = cv2.imencode(".png", pixels)
    if not ok:
        raise UsageError("the image cannot be written as PNG", found=f"{image.dtype} {image.shape}")
    return data.tobytes()


def write_png(path: Path, image: Image) -> None:
    """Write `[H, W]` or RGB `[H, W, 3]` atomically."""
    write_bytes(path, encode_png(image))
