"""The boards that plans are built for: what they compute, hold and run. Data from engines/targets/<board>.yaml.

Peaks are dense and of the GPU alone: NVIDIA's headline figures count sparsity, which doubles them, and the DLA. They
follow from 4096 INT8 operations an SM and clock, which reproduces the published figures (Jetson Orin and Thor data
sheets); none was measured by us. A target says nothing of a certain machine: `radar-edge doctor` looks at one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import yaml
from pydantic import Field

from radar_edge.config import Config
from radar_edge.config.base import validate
from radar_edge.errors import UsageError

PACKAGE = "radar_edge_targets"
"""The folder engines/targets, as setup.py installs it."""


class Mode(Config):
    """One power mode."""

    name: str
    int8_tops: float | None = Field(gt=0, description="dense INT8 operations, 10^12 / s; none where not published")
    fp16_tflops: float = Field(gt=0, description="dense, 10^12 / s")
    dram_gb_s: float = Field(gt=0)


class Software(Config):
    """A JetPack release, and the TensorRT in it."""

    jetpack: str
    tensorrt: str


class Target(Config):
    """One class of boards. A plan built on a board of another class is not used."""

    module: str
    compute_capability: str = Field(pattern=r"^\d+\.\d+$")
    sms: int = Field(ge=1)
    memory_gb: int = Field(ge=1)
    workspace_mib: int = Field(ge=64, description="TensorRT's scratch memory while it builds: the CPU shares the DRAM")
    modes: tuple[Mode, ...] = Field(min_length=1)
    jetpacks: tuple[Software, ...] = Field(min_length=1)


def targets() -> Mapping[str, Target]:
    """Every known target by its name, in the order of names. Raises ConfigError for a faulty file."""
    found = (entry for entry in files(PACKAGE).iterdir() if entry.name.endswith(".yaml"))
    return {
        entry.name.removesuffix(".yaml"): validate(
            Target, yaml.safe_load(entry.read_text(encoding="utf-8")), f"engines/targets/{entry.name}"
        )
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def target(name: str) -> Target:
    """Raises UsageError for an unknown name."""
    known = targets()
    if name not in known:
        raise UsageError("unknown target", found=name, wanted=", ".join(known))
    return known[name]
