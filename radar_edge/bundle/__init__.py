"""A bundle: everything that a line needs to judge parts, in one signed, immutable folder.

    manifest.json     what is in it, with the digest of every other file
    manifest.sig      Ed25519 signature over manifest.json's bytes
    onnx/             <slug>_<precision>.onnx, one engine a file
    calibration/      <slug>.json, the ranges of its INT8 engine
    reference/        held-out good parts as network inputs, and what each engine says of them

`open_bundle` verifies everything before anything is loaded; `new_bundle` writes a folder whole or not at all.
"""

from radar_edge.bundle.evidence import (
    PRECISIONS,
    Gate,
    GateLimits,
    KeptLayer,
    Parity,
    Precision,
    Preflight,
    Refused,
    Rounding,
)
from radar_edge.bundle.manifest import (
    EngineEntry,
    Manifest,
    ModelInfo,
    Recalibrated,
    engine_file,
    ranges_file,
    reference_file,
)
from radar_edge.bundle.signing import (
    Signer,
    TrustedKeys,
    create_key,
    keys_folder,
    load_signer,
    rotate_key,
    trust_key,
    trusted_keys,
)
from radar_edge.bundle.store import Bundle, new_bundle, open_bundle

__all__ = [
    "PRECISIONS",
    "Bundle",
    "EngineEntry",
    "Gate",
    "GateLimits",
    "KeptLayer",
    "Manifest",
    "ModelInfo",
    "Parity",
    "Precision",
    "Preflight",
    "Recalibrated",
    "Refused",
    "Rounding",
    "Signer",
    "TrustedKeys",
    "create_key",
    "engine_file",
    "keys_folder",
    "load_signer",
    "new_bundle",
    "open_bundle",
    "ranges_file",
    "reference_file",
    "rotate_key",
    "trust_key",
    "trusted_keys",
]
