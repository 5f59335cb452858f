"""faults.yaml: what goes wrong on a rehearsed line, when and for how long. Opens nothing."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from radar_edge.config.base import Config

CameraFault = Literal["kill", "stop", "freeze", "black", "garbage", "drop", "reorder", "delay", "ffc", "clock_jump"]
LineFault = Literal["disk_full", "engine_hang", "plc_silence", "unplug"]
CAMERA_FAULTS: tuple[str, ...] = get_args(CameraFault)
LINE_FAULTS: tuple[str, ...] = get_args(LineFault)
WIRE_FAULTS = ("plc_silence", "unplug")
"""While one of these lasts, and a moment longer, no verdict can reach the PLC."""

SAYS = {
    "kill": ("dead",),
    "stop": ("dead",),
    "freeze": ("frozen", "dead"),
    "black": ("black",),
    "garbage": ("wrong_kind",),
    "ffc": ("calibrating",),
    "clock_jump": ("clock_jump",),
}
"""Causes of which a camera's fault must bring one. `drop`, `reorder` and `delay` need not: their frames are good."""


class Fault(Config):
    """One fault, counted in seconds from the first part."""

    fault: CameraFault | LineFault
    camera: str | None = Field(default=None, description="the camera_id that it hits; none for a fault of the line")
    at_s: float = Field(ge=0)
    for_s: float = Field(gt=0)

    @model_validator(mode="after")
    def _of_a_camera_or_not(self) -> Fault:
        if self.fault in CAMERA_FAULTS and self.camera is None:
            raise ValueError(f"{self.fault} is a camera's fault: say which camera")
        if self.fault in LINE_FAULTS and self.camera is not None:
            raise ValueError(f"{self.fault} is no camera's fault")
        return self

    @property
    def until_s(self) -> float:
        return self.at_s + self.for_s

    @property
    def place(self) -> str:
        """What it hits: one fault at a time can be there."""
        return self.camera or ("wire" if self.fault in WIRE_FAULTS else self.fault)


class FaultPlan(Config):
    """faults.yaml."""

    schema_version: Literal[1]
    seconds: float = Field(gt=0, le=86400, description="for so long parts come")
    parts_per_s: float = Field(default=5, gt=0, le=100, description="parts that the PLC announces")
    window_ms: float | None = Field(default=None, gt=0, description="the PLC's; default: deadline_ms and 100 ms")
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _one_at_a_time(self) -> FaultPlan:
        last: dict[str, Fault] = {}
        for fault in sorted(self.faults, key=lambda fault: fault.at_s):
            before = last.get(fault.place)
            if before is not None and fault.at_s < before.until_s:
                raise ValueError(
                    f"{fault.fault} at {fault.at_s:g} s begins before {before.fault} ends, at the same place"
                )
            if fault.until_s > self.seconds:
                raise ValueError(f"{fault.fault} at {fault.at_s:g} s ends after the last part ({self.seconds:g} s)")
            last[fault.place] = fault
        return self
