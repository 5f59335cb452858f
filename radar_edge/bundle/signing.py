"""Who made this: Ed25519 keys in the user's key folder. Knows bytes and keys, nothing of bundles.

    signing.key      our private key, PEM, mode 0600
    signing.pub      our public key
    retired-<id>.*   our key before a rotation: its bundles stay trusted, it signs nothing more
    <name>.pub       public keys of others whose bundles are trusted

The folder is $RADAR_EDGE_HOME/keys, else ~/.config/radar-edge/keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from radar_edge import files
from radar_edge.errors import StorageError, UsageError

PRIVATE, PUBLIC = "signing.key", "signing.pub"
RETIRED = "retired"

TrustedKeys = Mapping[str, Ed25519PublicKey]
"""Key id -> public key."""


@dataclass(frozen=True)
class Signature:
    """What manifest.sig holds. The id only says which key to try."""

    key_id: str
    signature: bytes

    def to_bytes(self) -> bytes:
        value = base64.b64encode(self.signature).decode()
        return files.json_text({"algorithm": "ed25519", "key_id": self.key_id, "signature": value}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Signature:
        """Raises ValueError unless `data` is a signature document."""
        document = json.loads(data)
        if not isinstance(document, dict) or set(document) != {"algorithm", "key_id", "signature"}:
            raise ValueError("not a signature document")
        if document["algorithm"] != "ed25519":
            raise ValueError(f"unknown algorithm {document['algorithm']!r}")
        return cls(str(document["key_id"]), base64.b64decode(str(document["signature"]), validate=True))

    def is_valid(self, key: Ed25519PublicKey, data: bytes) -> bool:
        try:
            key.verify(self.signature, data)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key that signs bundles."""

    key: Ed25519PrivateKey

    @property
    def key_id(self) -> str:
        return key_id(self.key.public_key())

    def sign(self, data: bytes) -> Signature:
        return Signature(self.key_id, self.key.sign(data))


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def keys_folder(environment: Mapping[str, str] = os.environ) -> Path:
    home = environment.get("RADAR_EDGE_HOME")
    return Path(home) / "keys" if home else Path.home() / ".config" / "radar-edge" / "keys"


def create_key(folder: Path) -> Signer:
    """Make the user's own key pair. Raises UsageError if there is one already: a key is never replaced."""
    path = folder / PRIVATE
    if path.exists():
        raise UsageError(f"{path} exists already", next_step="move it away first; what it signed stays as it is")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot make the key folder {folder}", found=error.strerror) from error
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files.write_bytes(path, private, mode=0o600)
    files.write_bytes(folder / PUBLIC, pem(key.public_key()))
    return Signer(key)


def rotate_key(folder: Path) -> tuple[str, Signer]:
    """Retire the user's own key and make a new one; (id of the old key, the new signer).

    What the old key signed stays trusted here until its retired-<id>.pub is taken away. A crash in between leaves
    no key or two public ones, never a lost bundle. Raises UsageError if there is no own key.
    """
    signer = load_signer(folder)
    old = signer.key_id
    files.write_bytes(folder / f"{RETIRED}-{old}.pub", pem(signer.key.public_key()))
    try:
        (folder / PRIVATE).rename(folder / f"{RETIRED}-{old}.key")
        files.sync_folder(folder)
    except OSError as error:
        raise StorageError(f"cannot retire the key {old} in {folder}", found=error.strerror) from error
    return old, create_key(folder)


def trust_key(folder: Path, source: Path, name: str) -> str:
    """Copy a public key into the folder as `name`.pub; its id. Raises UsageError if it is none or the name is taken."""
    try:
        key = load_pem_public_key(_read(source))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key(source, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(source, "public")
    target = folder / f"{name}.pub"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.startswith((RETIRED, "signing")):
        raise UsageError(
            "this name cannot be given to a key",
            found=name,
            wanted=f"letters, digits, . _ and -, not starting with {RETIRED} or signing",
        )
    if target.exists():
        raise UsageError(f"{target} exists already", next_step="name another with --name")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot make the key folder {folder}", found=error.strerror) from error
    files.write_bytes(target, pem(key))
    return key_id(key)


def pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_signer(folder: Path) -> Signer:
    """The user's own key. Raises UsageError if it is absent, damaged or readable by others."""
    path = folder / PRIVATE
    if not path.is_file():
        raise UsageError(f"there is no signing key in {folder}", next_step="make one with `radar-edge keys create`")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(
            f"the signing key {path} is open to others",
            found=f"mode {mode:04o}",
            wanted="mode 0600",
            next_step=f"chmod 600 {path}, and make a new key if others could read it",
        )
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private")
    return Signer(key)


def trusted_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """Every *.pub of the folder by its id; empty if there is no folder.

    Raises UsageError for a damaged key, and for a folder or key that others may write: whoever can add
    a key here can make this machine trust a bundle.
    """
    return {key_id(key): key for key in public_keys(folder).values()}


def public_keys(folder: Path) -> dict[Path, Ed25519PublicKey]:
    """File -> key of every *.pub in `folder`, in the order of names. Raises as trusted_keys."""
    found = {}
    for path in sorted(folder.glob("*.pub")):
        for checked in (folder, path):
            mode = stat.S_IMODE(checked.stat().st_mode)
            if mode & 0o022:
                raise UsageError(
                    f"{checked} may be written by others",
                    found=f"mode {mode:04o}",
                    wanted="writable by its owner alone",
                    next_step=f"look at its keys, then chmod go-w {checked}",
                )
        try:
            key = load_pem_public_key(_read(path))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _no_key(path, "public") from error
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(path, "public")
        found[path] = key
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {path}", found=error.strerror) from error


def _no_key(path: Path, kind: str) -> UsageError:
    return UsageError(f"{path} is not an Ed25519 {kind} key in PEM form", next_step="remove the file, or copy it again")
