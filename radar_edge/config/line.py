"""line.yaml: one inspection line, validated as a whole. Opens nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from radar_edge.config.base import Config
from radar_edge.config.page import PageConfig
from radar_edge.config.plc import Plc, TriggerConfig
from radar_edge.config.registration import Registration, registration_faults
from radar_edge.config.telemetry import MqttConfig, resolve_mqtt


class AnyCamera(Config):
    """What every camera has."""

    camera_id: str = Field(description="its name in the journal, in state.json and in faults.yaml")
    modality: str = Field(description="what it sees, as the training named it")
    fps: float = Field(gt=0, le=1000, description="nominal rate: the period that health counts in")
    ffc_max_ms: float = Field(
        default=0, ge=0, description="a thermal camera whose shutter shows as a frozen picture: for so long at most"
    )


class ReplayCamera(AnyCamera):
    """Plays image files as if a camera delivered them: trigger n shows the n-th file of the folder."""

    backend: Literal["replay"]
    files: tuple[Path, ...] | None = Field(default=None, description="images in order of their triggers")
    folder: Path | None = Field(default=None, description="or a folder whose images are played in the order of names")

    @model_validator(mode="after")
    def _one_source(self) -> ReplayCamera:
        if (self.files is None) == (self.folder is None):
            raise ValueError("give either files or folder")
        return self


class SyntheticCamera(AnyCamera):
    """A camera that draws noise: load and failure tests without images."""

    backend: Literal["synthetic"]
    height: int = Field(ge=16, le=8192)
    width: int = Field(ge=16, le=8192)
    channels: Literal[1, 3] = 1
    bit_depth: Literal[8, 16] = 8
    seed: int = 0


class OpencvCamera(AnyCamera):
    """What OpenCV opens: a V4L2 device, an RTSP stream, a video file; GStreamer where OpenCV was built with it."""

    backend: Literal["opencv"]
    source: str = Field(min_length=1, description="/dev/video0, rtsp://..., a file, or a GStreamer pipeline")
    api: Literal["any", "v4l2", "ffmpeg", "gstreamer", "images"] = "any"
    width_px: int | None = Field(default=None, ge=16, le=16384, description="asked of the driver; refused if not given")
    height_px: int | None = Field(default=None, ge=16, le=16384)
    raw: bool = Field(default=False, description="samples as they come (Y16 thermal), not converted to colour")


class GstreamerCamera(AnyCamera):
    """A GStreamer pipeline that ends in an appsink named `sink`, with caps RGB, GRAY8 or GRAY16_LE."""

    backend: Literal["gstreamer"]
    pipeline: str = Field(min_length=1, description="such as: nvarguscamerasrc ! ... ! appsink name=sink")

    @model_validator(mode="after")
    def _has_sink(self) -> GstreamerCamera:
        if "appsink" not in self.pipeline or "name=sink" not in self.pipeline:
            raise ValueError("the pipeline must end in `appsink name=sink`")
        return self


class AravisCamera(AnyCamera):
    """A GigE Vision or USB3 Vision camera through Aravis."""

    backend: Literal["aravis"]
    device: str | None = Field(default=None, description="Aravis' id, such as Maker-Model-Serial; default: the first")
    pixel_format: Literal["Mono8", "Mono16", "RGB8"] = "Mono8"
    trigger: Literal["free", "software", "hardware"] = Field(
        default="free", description="software: each frame is asked for; hardware: the camera's own input does"
    )
    packet_bytes: int | None = Field(default=None, ge=576, le=16000, description="GigE packet size; default: Aravis'")


Camera = Annotated[
    ReplayCamera | SyntheticCamera | OpencvCamera | GstreamerCamera | AravisCamera, Field(discriminator="backend")
]


class Band(Config):
    """Raw counts that a thermal image of the running process keeps within: its 1 % and 99 % quantile."""

    low_counts: int = Field(ge=0, le=65535)
    high_counts: int = Field(ge=0, le=65535)

    @model_validator(mode="after")
    def _in_order(self) -> Band:
        if self.low_counts >= self.high_counts:
            raise ValueError("low_counts must be below high_counts")
        return self


class HealthConfig(Config):
    """When a camera counts as failed and as well again. Periods are those of its nominal rate."""

    tolerated_drops: int = Field(default=1, ge=0, le=100, description="a camera is FAILED (this + 1.5) periods late")
    recover_frames: int = Field(default=5, ge=1, le=1000, description="good frames in a row until it is OK again")
    frozen_frames: int = Field(default=3, ge=2, le=1000, description="equal frames in a row that mean FROZEN")
    clock_jump_ms: float = Field(
        default=100, gt=0, description="between two frames a camera's own clock may differ from ours by so much"
    )
    process_bands: dict[str, Band] = Field(default={}, description="modality -> band of the running process")


class RoutingConfig(Config):
    """What to do with a part when not every modality delivered."""

    degraded: Literal["may_pass", "reject_all", "stop"] = Field(description="must be said: there is no default")
    subsets: tuple[str, ...] | None = Field(
        default=None, description="slugs that may judge; default: all of the bundle"
    )
    max_degraded_parts: int | None = Field(
        default=None, ge=1, description="degraded parts in a row, then NO_DECISION; default: no limit"
    )
    full_parts: int = Field(default=1, ge=1, description="complete parts in a row that end a run of degraded ones")


class JournalConfig(Config):
    """The record of every part and event."""

    path: Path = Field(description="SQLite file; state.json is written beside it")
    journal_grace_s: float = Field(default=5.0, ge=0, description="a dead journal stops PASS after this time")
    max_age_days: float = Field(default=90, gt=0, description="older parts and events are deleted")
    max_mb: float = Field(default=2000, gt=0, description="beyond this the oldest are")


class EvidenceConfig(Config):
    """Frames of parts, kept in a folder of bounded size."""

    folder: Path
    max_mb: float = Field(default=1000, gt=0, description="beyond this the oldest parts are deleted")
    keep: Literal["rejects", "all"] = Field(default="rejects", description="rejects: every part that did not pass")


class ProductConfig(Config):
    """What one product is judged with; the path of its bundle alone will do with engine onnxruntime."""

    bundle: Path
    device: Path | None = Field(default=None, description="with engine tensorrt: the folder that `finish` wrote")

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"bundle": value} if isinstance(value, str) else value


OWN = 0
"""The product number of a line with one bundle."""
Number = Annotated[int, Field(ge=1, le=255)]


class LineConfig(Config):
    """line.yaml: one inspection line."""

    schema_version: Literal[1]
    bundle: Path = Field(description="the folder that `build-engines` wrote")
    engine: Literal["onnxruntime", "tensorrt"] = Field(description="named, never guessed and never replaced")
    products: dict[Number, ProductConfig] = Field(
        default={},
        description="the PLC's number -> bundle; none is judged until the PLC selects it. `bundle` is one of it",
    )
    precision: Literal["fp32", "fp16", "int8"] = Field(default="fp32", description="of every subset's engine")
    device: Path | None = Field(default=None, description="with engine tensorrt: the folder that `finish` wrote")
    cuda: Literal["pycuda", "cuda-python"] = Field(default="pycuda", description="with engine tensorrt")
    threads: int = Field(default=1, ge=1, le=64, description="with engine onnxruntime")
    deadline_ms: float = Field(gt=0, description="from trigger receipt to the last byte on the wire")
    wire_margin_ms: float = Field(
        default=30, ge=0, description="of it kept for the wire: NO_DECISION is handed over so early"
    )
    pair_wait_ms: float = Field(gt=0, description="how long a trigger waits for a frame of a camera that is not FAILED")
    max_skew_ms: float = Field(
        default=100, gt=0, description="frames of one part grabbed further apart are not judged together"
    )
    queue_depth: int = Field(
        default=4, ge=1, le=64, description="parts that may wait for the engine; one more is refused"
    )
    cameras: tuple[Camera, ...] = Field(min_length=1, description="one a modality")
    registration: dict[str, Registration] = Field(
        default={}, description="modality -> how this unit's camera lies on its reference; written by `register`"
    )
    health: HealthConfig = HealthConfig()
    routing: RoutingConfig
    plc: Plc
    trigger: TriggerConfig = TriggerConfig()
    journal: JournalConfig
    evidence: EvidenceConfig | None = Field(default=None, description="none: no frame is kept")
    page: PageConfig | None = Field(default=None, description="none: no status page and no metrics")
    mqtt: MqttConfig | None = Field(default=None, description="none: nothing goes to a broker")

    @model_validator(mode="after")
    def _consistent(self) -> LineConfig:
        if (self.engine == "tensorrt") != (self.device is not None):
            raise ValueError(
                "device, the folder that `radar-edge finish` wrote, belongs to engine tensorrt and only to it"
            )
        self._check_products()
        for what, names in (
            ("camera_id", [camera.camera_id for camera in self.cameras]),
            ("modality", [camera.modality for camera in self.cameras]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"two cameras have the same {what}")
        strangers = set(self.health.process_bands) - {camera.modality for camera in self.cameras}
        if strangers:
            raise ValueError(f"health.process_bands names modalities without a camera: {', '.join(sorted(strangers))}")
        misfits = registration_faults(self.registration, [camera.modality for camera in self.cameras])
        if misfits:
            raise ValueError("; ".join(misfits))
        judged_by_ms = self.deadline_ms - self.wire_margin_ms
        if self.pair_wait_ms >= judged_by_ms:
            raise ValueError(
                f"pair_wait_ms ({self.pair_wait_ms:g}) must be below deadline_ms - wire_margin_ms ({judged_by_ms:g})"
            )
        if self.plc.driver == "line" and self.trigger.source == "plc":
            raise ValueError("the driver line carries no trigger ids: trigger.source must be edge or interval")
        if self.trigger.source == "edge" and self.trigger.port is None and self.plc.driver != "line":
            raise ValueError("trigger.source edge needs trigger.port: the PLC's port is in use by its driver")
        if self.plc.driver == "line" and self.trigger.port is not None:
            raise ValueError("the driver line takes edges from its own port: say plc.trigger_pin, not trigger.port")
        return self

    def _check_products(self) -> None:
        if not self.products:
            return
        if self.plc.driver == "line":
            raise ValueError("the driver line carries no commands, so it cannot select one of products")
        if not any((one.bundle, one.device) == (self.bundle, self.device) for one in self.products.values()):
            raise ValueError("bundle and device must be those of one of products: what other commands look at")
        bare = [number for number, one in self.products.items() if (one.device is None) != (self.device is None)]
        if bare:
            raise ValueError(f"products {', '.join(map(str, bare))}: device belongs to engine tensorrt, and only to it")

    def by_product(self) -> dict[int, LineConfig]:
        """The line as each of its products sees it; as OWN alone for a line with one bundle."""
        return {number: self.of_product(number) for number in self.products} or {OWN: self}

    def of_product(self, number: int) -> LineConfig:
        """The line as if that product's bundle were its only one. Raises KeyError."""
        one = self.products[number]
        return self.model_copy(update={"bundle": one.bundle, "device": one.device, "products": {}})


def resolve_paths(config: LineConfig, folder: Path) -> LineConfig:
    """`config` with its relative paths taken from `folder`, where line.yaml stands."""
    journal = config.journal.model_copy(update={"path": folder / config.journal.path})
    cameras = tuple(_resolve_camera(camera, folder) for camera in config.cameras)
    evidence = config.evidence
    if evidence is not None:
        evidence = evidence.model_copy(update={"folder": folder / evidence.folder})
    device = None if config.device is None else folder / config.device
    page = config.page
    if page is not None and page.token_file is not None:
        page = page.model_copy(update={"token_file": folder / page.token_file})
    changes = {
        "page": page,
        "mqtt": None if config.mqtt is None else resolve_mqtt(config.mqtt, folder),
        "device": device,
        "bundle": folder / config.bundle,
        "products": {
            number: ProductConfig(
                bundle=folder / one.bundle, device=None if one.device is None else folder / one.device
            )
            for number, one in config.products.items()
        },
        "cameras": cameras,
        "journal": journal,
        "evidence": evidence,
    }
    return config.model_copy(update=changes)


def _resolve_camera(camera: Camera, folder: Path) -> Camera:
    if not isinstance(camera, ReplayCamera):
        return camera
    if camera.folder is not None:
        return camera.model_copy(update={"folder": folder / camera.folder})
    return camera.model_copy(update={"files": tuple(folder / file for file in camera.files or ())})
