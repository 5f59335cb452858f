"""A bundle: everything that a line needs to judge parts, in one signed, immutable folder.

    manifest.json     what is in it, with the digest of every other file
    manifest.sig      Ed25519 signature over manifest.json's bytes
    onnx/             <slug>_<precision>.onnx, one engine a file
    reference/        a few held-out good parts as network inputs, and what each engine says of them

`open_bundle` verifies everything before anything is loaded; `new_bundle` writes a folder whole or not at all.
"""

from radar_edge.bundle.manifest import (
    EngineEntry,
    Manifest,
    ModelInfo,
    Parity,
    Recalibrated,
    engine_file,
    reference_file,
)
from radar_edge.bundle.signing import Signer, TrustedKeys, create_key, keys_folder, load_signer, trusted_keys
from radar_edge.bundle.store import Bundle, new_bundle, open_bundle

__all__ = [
    "Bundle",
    "EngineEntry",
    "Manifest",
    "ModelInfo",
    "Parity",
    "Recalibrated",
    "Signer",
    "TrustedKeys",
    "create_key",
    "engine_file",
    "keys_folder",
    "load_signer",
    "new_bundle",
    "open_bundle",
    "reference_file",
    "trusted_keys",
]
