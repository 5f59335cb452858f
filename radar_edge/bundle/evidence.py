"""What a bundle says for its engines: parity, gates, ranges, a compiler's word. Knows no file and no engine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
"""Highest first. An engine of a lower one was compared with the FP32 engine of its Subset."""


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parity(Entry):
    """The largest differences to the trained network, over `parts` held-out good parts; logits."""

    parts: int = Field(ge=1)
    max_abs_map: float = Field(ge=0)
    max_abs_score: float = Field(ge=0)


class GateLimits(Entry):
    """What an engine of a lower precision may cost."""

    auroc_loss: float = Field(ge=0, description="at most so much image AUROC less than the FP32 engine")
    aupro_loss: float = Field(ge=0, description="likewise of AUPRO@0.3")
    map_correlation: float = Field(le=1, description="mean correlation of its maps with the FP32 engine's, at least")
    flipped: float = Field(ge=0, le=1, description="share of images decided differently, at most")


class Gate(Entry):
    """An engine against the FP32 engine of its Subset, on held-out good parts and corrupted copies of them."""

    images: int = Field(ge=1)
    anomalous: int = Field(ge=0)
    auroc_fp32: float
    auroc: float
    aupro_fp32: float
    aupro: float
    map_correlation: float
    score_error: float = Field(ge=0, description="largest, in units of median good part to threshold; not limited")
    flipped: float = Field(ge=0, le=1)
    limits: GateLimits

    @property
    def faults(self) -> tuple[str, ...]:
        """Every limit that the engine exceeds, with its numbers."""
        limits = self.limits
        auroc_loss, aupro_loss = self.auroc_fp32 - self.auroc, self.aupro_fp32 - self.aupro
        checks = (
            (auroc_loss <= limits.auroc_loss, f"AUROC loss {auroc_loss:.4f}, at most {limits.auroc_loss:g}"),
            (aupro_loss <= limits.aupro_loss, f"AUPRO loss {aupro_loss:.4f}, at most {limits.aupro_loss:g}"),
            (
                self.map_correlation >= limits.map_correlation,
                f"map correlation {self.map_correlation:.4f}, at least {limits.map_correlation:g}",
            ),
            (self.flipped <= limits.flipped, f"{self.flipped:.2%} decided differently, at most {limits.flipped:.2%}"),
        )
        return tuple(text for within, text in checks if not within)

    @property
    def passed(self) -> bool:
        return not self.faults


class KeptLayer(Entry):
    """A layer of an INT8 engine that stayed FP16."""

    layer: str
    reason: Literal["few channels", "gate"]
    error: float | None = Field(
        default=None,
        description="with reason gate: largest score error with this layer alone in INT8, as Gate.score_error",
    )


class Rounding(Entry):
    """How an INT8 engine was rounded."""

    ranges: str = Field(description="the calibration record in the bundle")
    layers: int = Field(ge=1, description="layers that run in INT8")
    kept: tuple[KeptLayer, ...]


class Refused(Entry):
    """An engine that was built and does not ship, because it failed its gate."""

    subset: str
    precision: Precision
    gate: Gate
    tried: int = Field(ge=0, description="layers that were moved to FP16 before it was given up")


class Preflight(Entry):
    """What compiling the graph without a GPU showed. It proves that TensorRT-RTX takes the graph, not its speed."""

    flavour: str = Field(description="package and version that compiled it")
    layers: int = Field(ge=1)
    plan_bytes: int = Field(ge=1)
    int8_bytes: int = Field(ge=0, description="INT8 constants in the plan")
