"""manifest.json as frozen models. Knows what a bundle says of itself, not whether it is true.

An unknown key or an unknown schema version is refused: a bundle made by a newer radar-edge may mean
something that this one would miss.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from radar_edge.bundle.evidence import Entry, Gate, Parity, Precision, Preflight, Refused, Rounding
from radar_edge.errors import BundleError, UsageError
from radar_edge.modality import check_modalities, subset_from_slug
from radar_edge.preprocess import Preprocess
from radar_edge.scoring import Calibration

SCHEMA_VERSION = 2
REBUILD = "build the bundle again with `radar-edge build-engines` of this version"

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]


class ModelInfo(Entry):
    """Which network the engines were made from."""

    modalities: tuple[str, ...]
    shape: dict[str, Any] = Field(description="the network's configuration, as in run.json")
    weights_sha256: Digest
    run_sha256: Digest
    data_sha256: Digest
    seed: int


class EngineEntry(Entry):
    """One engine: a Subset at a precision."""

    subset: str
    precision: Precision
    file: str
    macs: int = Field(ge=1, description="multiply-accumulate operations a part")
    parameters: int = Field(ge=1)
    parity: Parity
    calibration: Calibration
    gate: Gate | None = Field(default=None, description="none for FP32, which is what the others are held against")
    rounding: Rounding | None = Field(default=None, description="of an INT8 engine")
    preflight: Preflight | None = None


class Recalibrated(Entry):
    """Where thresholds come from that were set anew, on other good parts than the bundle was built with."""

    bundle_sha256: Digest = Field(description="of the bundle whose engines these are")
    data_sha256: Digest = Field(description="of the good parts' names and images")


class Manifest(Entry):
    schema_version: Literal[2]
    created_by: str
    tools: dict[str, str] = Field(default_factory=dict, description="package -> version that the engines depend on")
    model: ModelInfo
    preprocess: Preprocess
    subsets: tuple[str, ...] = Field(min_length=1)
    engines: tuple[EngineEntry, ...] = Field(min_length=1)
    refused: tuple[Refused, ...] = ()
    recalibrated: Recalibrated | None = None
    files: dict[str, Digest] = Field(description="path in the bundle -> SHA-256 of every file but the manifest's two")

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        faults = [f"the path {path!r} is not inside the bundle" for path in self.files if not is_inside(path)]
        faults += [f"the engine file {e.file!r} is not listed" for e in self.engines if e.file not in self.files]
        faults += self._subset_faults()
        faults += self._evidence_faults()
        # A JSON object's keys are sorted in the file: the order is the model's.
        if self.preprocess.modalities.keys() != set(self.model.modalities):
            faults.append("preprocess and model do not have the same modalities")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _subset_faults(self) -> list[str]:
        try:
            modalities = check_modalities(self.model.modalities)
            for slug in self.subsets:
                subset_from_slug(slug, modalities)
        except UsageError as error:
            return [f"{error.problem}: {error.found}"]
        keys = [(engine.subset, engine.precision) for engine in self.engines]
        faults = ["two engines have the same subset and precision"] if len(set(keys)) != len(keys) else []
        if {engine.subset for engine in self.engines} != set(self.subsets):
            faults.append("the subsets are not those of the engines")
        return faults

    def _evidence_faults(self) -> list[str]:
        """A lower precision ships with a gate that it passed, INT8 also with its ranges."""
        faults = []
        for engine in self.engines:
            name = f"the engine {engine.subset} {engine.precision}"
            if engine.precision != "fp32" and engine.gate is None:
                faults.append(f"{name} went through no gate")
            if engine.gate is not None and not engine.gate.passed:
                faults.append(f"{name} failed its gate")
            if (engine.precision == "int8") != (engine.rounding is not None):
                faults.append(f"{name} and its INT8 ranges do not go together")
            elif engine.rounding is not None and engine.rounding.ranges not in self.files:
                faults.append(f"the ranges {engine.rounding.ranges!r} of {name} are not listed")
        return faults


def engine_file(slug: str, precision: str) -> str:
    return f"onnx/{slug}_{precision}.onnx"


def ranges_file(slug: str) -> str:
    return f"calibration/{slug}.json"


def reference_file(slug: str, precision: str) -> str:
    return f"reference/{slug}_{precision}.npz"


def is_inside(path: str) -> bool:
    """Whether `path` is a plain relative path in POSIX form."""
    pure = PurePosixPath(path)
    return str(pure) == path and not pure.is_absolute() and ".." not in pure.parts and "\\" not in path


def read_manifest(data: bytes, source: str) -> Manifest:
    """Parse manifest.json. Raises BundleError with every fault."""
    try:
        document = json.loads(data)
    except ValueError as error:
        raise BundleError(f"{source} is not JSON", found=str(error), next_step=REBUILD) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{source} has an unknown schema version", found=version, wanted=SCHEMA_VERSION, next_step=REBUILD
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        faults = [f"{'.'.join(str(p) for p in e['loc']) or 'manifest'}: {e['msg']}" for e in error.errors()]
        raise BundleError(f"{source} cannot be used", faults=faults, next_step=REBUILD) from error
