"""Configuration files as frozen models, validated as a whole. Knows no device and opens nothing but the file.

Every fault is listed at once, an unknown key is refused, units are in the names, and nothing is repaired.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from radar_edge.errors import ConfigError


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ReplayCamera(Config):
    """Plays image files as if a camera delivered them: trigger n shows the n-th file of the folder."""

    backend: Literal["replay"]
    camera_id: str
    modality: str
    fps: float = Field(gt=0, le=1000)
    files: tuple[Path, ...] | None = Field(default=None, description="images in order of their triggers")
    folder: Path | None = Field(default=None, description="or a folder whose images are played in the order of names")

    @model_validator(mode="after")
    def _one_source(self) -> ReplayCamera:
        if (self.files is None) == (self.folder is None):
            raise ValueError("give either files or folder")
        return self


class SyntheticCamera(Config):
    """A camera that draws noise: load and failure tests without images."""

    backend: Literal["synthetic"]
    camera_id: str
    modality: str
    fps: float = Field(gt=0, le=1000)
    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)
    channels: Literal[1, 3] = 1
    bit_depth: Literal[8, 16] = 8
    seed: int = 0


Camera = Annotated[ReplayCamera | SyntheticCamera, Field(discriminator="backend")]


class HealthConfig(Config):
    """When a camera counts as failed and as well again. Periods are those of its nominal rate."""

    tolerated_drops: int = Field(default=1, ge=0, le=100, description="a camera is FAILED (this + 1.5) periods late")
    recover_frames: int = Field(default=5, ge=1, le=1000, description="good frames in a row until it is OK again")
    frozen_frames: int = Field(default=3, ge=2, le=1000, description="equal frames in a row that mean FROZEN")


class RoutingConfig(Config):
    """What to do with a part when not every modality delivered."""

    degraded: Literal["may_pass", "reject_all", "stop"] = Field(description="must be said: there is no default")
    subsets: tuple[str, ...] | None = Field(
        default=None, description="slugs that may judge; default: all of the bundle"
    )


class PlcConfig(Config):
    """The serial link to the PLC."""

    driver: Literal["modbus-slave"]
    port: str = Field(description="device path of the serial port")
    baud: int = Field(default=115200, ge=1200, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    unit_id: int = Field(default=1, ge=1, le=247)
    input_base: int = Field(default=0, ge=0, le=65000, description="address of our first input register")
    holding_base: int = Field(default=0, ge=0, le=65000, description="address of the PLC's first holding register")
    heartbeat_timeout_ms: float = Field(default=1000, gt=0, description="PLC heartbeat older than this: link is lost")
    hold_ms: float = Field(
        default=100, ge=0, le=10_000, description="a verdict that is read but not acknowledged stays so long"
    )


class JournalConfig(Config):
    path: Path
    journal_grace_s: float = Field(default=5.0, ge=0, description="a dead journal stops PASS after this time")


class LineConfig(Config):
    """line.yaml: one inspection line."""

    schema_version: Literal[1]
    bundle: Path
    engine: Literal["onnxruntime", "tensorrt"]
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    threads: int = Field(default=1, ge=1, le=64)
    deadline_ms: float = Field(gt=0, description="from trigger receipt to the last byte on the wire")
    wire_margin_ms: float = Field(
        default=30, ge=0, description="of it kept for the wire: NO_DECISION is handed over so early"
    )
    pair_wait_ms: float = Field(gt=0, description="how long a trigger waits for a frame of a camera that is not FAILED")
    queue_depth: int = Field(
        default=4, ge=1, le=64, description="parts that may wait for the engine; one more is refused"
    )
    cameras: tuple[Camera, ...] = Field(min_length=1)
    health: HealthConfig = HealthConfig()
    routing: RoutingConfig
    plc: PlcConfig
    journal: JournalConfig

    @model_validator(mode="after")
    def _consistent(self) -> LineConfig:
        for what, names in (
            ("camera_id", [camera.camera_id for camera in self.cameras]),
            ("modality", [camera.modality for camera in self.cameras]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two cameras have the same {what}")
        judged_by_ms = self.deadline_ms - self.wire_margin_ms
        if self.pair_wait_ms >= judged_by_ms:
            raise ValueError(
                f"pair_wait_ms ({self.pair_wait_ms:g}) must be below deadline_ms - wire_margin_ms ({judged_by_ms:g})"
            )
        return self


class OneKeyOnce(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping: YAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {', '.join(twice)} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


AnyConfig = TypeVar("AnyConfig", bound=BaseModel)


def load_config(model: type[AnyConfig], path: Path) -> AnyConfig:
    """Read a YAML file into `model`. Relative paths stay relative: see resolve_paths. Raises ConfigError."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), OneKeyOnce)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}", found=str(error)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not YAML", found=" ".join(str(error).split())) from error
    return validate(model, document, str(path))


def validate(model: type[AnyConfig], document: Any, source: str) -> AnyConfig:
    """Build `model` from plain data. Raises ConfigError that lists every fault with its place in `source`."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"{source} has {len(faults)} fault(s)", faults=faults, next_step="mend them all") from error


def resolve_paths(config: LineConfig, folder: Path) -> LineConfig:
    """`config` with its relative paths taken from `folder`, where line.yaml stands."""
    journal = config.journal.model_copy(update={"path": folder / config.journal.path})
    cameras = tuple(_resolve_camera(camera, folder) for camera in config.cameras)
    return config.model_copy(update={"bundle": folder / config.bundle, "cameras": cameras, "journal": journal})


def _resolve_camera(camera: Camera, folder: Path) -> Camera:
    if not isinstance(camera, ReplayCamera):
        return camera
    if camera.folder is not None:
        return camera.model_copy(update={"folder": folder / camera.folder})
    return camera.model_copy(update={"files": tuple(folder / file for file in camera.files or ())})
