"""What a unit made of a bundle: its own plans, each with its threshold, in one signed folder. Knows no TensorRT.

    <folder>/device.json    of which bundle, for which GPU and software, every plan with its evidence and digest
    <folder>/device.sig     Ed25519 signature over device.json's bytes, by the unit's own key
    <folder>/plans/         <slug>.plan
    <folder>/timing.cache   what TensorRT learned while it built, for the next build

A plan runs on the GPU and the TensorRT that it was built with. `open_device` verifies all that can be told from files;
`Device.check_unit` compares with the unit as it is now, before anything is deserialised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from radar_edge import files
from radar_edge.bundle.evidence import Entry, Precision
from radar_edge.bundle.manifest import Digest
from radar_edge.bundle.signing import Signature, Signer, TrustedKeys, keys_folder, trusted_keys
from radar_edge.errors import BundleError
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration

RECORD, SIGNATURE, CACHE = "device.json", "device.sig", "timing.cache"
FINISH = "build the plans again on this unit with `radar-edge finish`"


class Unit(Entry):
    """What a plan depends on."""

    gpu: str
    compute_capability: str
    tensorrt: str
    l4t: str | None = Field(default=None, description="NVIDIA's Linux release; none where this is no Jetson")


class PlanEntry(Entry):
    """One plan, and how it judges the bundle's reference parts."""

    subset: str
    precision: Precision
    sha256: Digest
    calibration: Calibration
    recalibrated: bool = Field(description="on the reference parts, with this plan; otherwise the bundle's threshold")
    score_gap: float = Field(ge=0, description="largest, in units of median good part to threshold")
    flipped: int = Field(ge=0, description="reference parts decided differently, at the bundle's threshold")
    parts: int = Field(ge=1)
    instead_of: tuple[str, ...] = Field(default=(), description="why no plan of a lower precision, one reason each")
    build_s: float = Field(ge=0)
    mapped: bool = Field(description="whether the GPU uses page-locked memory in place")
    mapped_ms: float = Field(ge=0, description="median of a run with it")
    staged_ms: float = Field(ge=0, description="and with copies")

    @property
    def file(self) -> str:
        return f"plans/{self.subset}.plan"


class DeviceRecord(Unit):
    """device.json."""

    schema_version: Literal[1]
    bundle: Digest = Field(description="of the bundle's manifest.json")
    target: str
    made_by: str
    timing_cache: Digest | None = None
    plans: tuple[PlanEntry, ...] = Field(min_length=1)

    @property
    def unit(self) -> Unit:
        return Unit(**{name: getattr(self, name) for name in Unit.model_fields})


@dataclass(frozen=True)
class Device:
    """An opened, verified device folder. `plans`: the bytes of each Subset's plan, as their digests say."""

    folder: Path
    record: DeviceRecord
    plans: Mapping[str, bytes]

    def entry(self, subset: Subset) -> PlanEntry:
        """Raises BundleError if there is no plan of this Subset."""
        for entry in self.record.plans:
            if entry.subset == subset.slug:
                return entry
        raise BundleError(
            f"{self.folder} has no plan for {subset}",
            found=", ".join(entry.subset for entry in self.record.plans),
            next_step=FINISH,
        )

    def check_unit(self, now: Unit) -> None:
        """Raises BundleError with every difference to the unit that the plans were built on."""
        was = self.record.unit
        faults = [
            f"{name} was {getattr(was, name)}, and is {getattr(now, name)}"
            for name in Unit.model_fields
            if getattr(was, name) != getattr(now, name)
        ]
        if faults:
            raise BundleError(f"the plans in {self.folder} are not for this unit", faults=faults, next_step=FINISH)


def write_device(
    folder: Path, record: DeviceRecord, plans: Mapping[str, bytes], timing_cache: bytes, signer: Signer
) -> None:
    """Make `folder`, whole or not at all; what was there is replaced. `plans` by Subset."""
    with files.new_folder(folder, replace=True) as work:
        for entry in record.plans:
            files.write_bytes(work / entry.file, plans[entry.subset])
        if timing_cache:
            files.write_bytes(work / CACHE, timing_cache)
        data = files.json_text(record.model_dump(mode="json")).encode()
        files.write_bytes(work / RECORD, data)
        files.write_bytes(work / SIGNATURE, signer.sign(data).to_bytes())


def open_device(folder: Path, bundle_sha256: str, trusted: TrustedKeys | None = None) -> Device:
    """Verify `folder` as the plans of this bundle. Raises BundleError that says what is wrong."""
    data = _read(folder / RECORD)
    trusted = trusted_keys(keys_folder()) if trusted is None else trusted
    _check_signature(folder, data, trusted)
    record = _parse(folder, data)
    if record.bundle != bundle_sha256:
        raise BundleError(
            f"the plans in {folder} are of another bundle",
            found=record.bundle[:12],
            wanted=bundle_sha256[:12],
            next_step=FINISH,
        )
    plans = {entry.subset: _read(folder / entry.file) for entry in record.plans}
    changed = [entry.file for entry in record.plans if sha256(plans[entry.subset]).hexdigest() != entry.sha256]
    if changed:
        raise BundleError(f"plans in {folder} have changed", faults=changed, next_step=FINISH)
    return Device(folder, record, plans)


def known_timing_cache(folder: Path, device: Device) -> bytes:
    """Empty if there is none or it has changed: it only saves time."""
    path = folder / CACHE
    data = path.read_bytes() if path.is_file() else b""
    return data if sha256(data).hexdigest() == device.record.timing_cache else b""


def _check_signature(folder: Path, data: bytes, trusted: TrustedKeys) -> None:
    try:
        signature = Signature.from_bytes(_read(folder / SIGNATURE))
    except ValueError as error:
        raise BundleError(f"{folder / SIGNATURE} is damaged", found=str(error), next_step=FINISH) from error
    key = trusted.get(signature.key_id)
    if key is None:
        raise BundleError(
            f"the plans in {folder} were made by another unit", found=f"key {signature.key_id}", next_step=FINISH
        )
    if not signature.is_valid(key, data):
        raise BundleError(f"{folder / RECORD} or its signature has changed", next_step=FINISH)


def _parse(folder: Path, data: bytes) -> DeviceRecord:
    try:
        return DeviceRecord.model_validate(json.loads(data))
    except (ValueError, ValidationError) as error:
        raise BundleError(
            f"{folder / RECORD} is not a device record of this version", found=str(error)[:300], next_step=FINISH
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}", found=error.strerror, next_step=FINISH) from error
