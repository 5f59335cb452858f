from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from radar_edge.bundle.signing import (
    Signature,
    create_key,
    key_id,
    keys_folder,
    load_signer,
    public_keys,
    trusted_keys,
)
from radar_edge.errors import StorageError, UsageError


def test_a_created_key_is_private_trusted_and_loaded_again(tmp_path: Path) -> None:
    made = create_key(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys" / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    loaded = load_signer(tmp_path / "keys")
    assert loaded.key_id == made.key_id
    trusted = trusted_keys(tmp_path / "keys")
    assert list(trusted) == [made.key_id]
    assert loaded.sign(b"text").is_valid(trusted[made.key_id], b"text")
    assert not loaded.sign(b"text").is_valid(trusted[made.key_id], b"Text")


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    made = create_key(tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        create_key(tmp_path)
    assert load_signer(tmp_path).key_id == made.key_id


def test_a_private_key_open_to_others_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path)
    (tmp_path / "signing.key").chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        load_signer(tmp_path)


@pytest.mark.parametrize("changed", ["", "signing.pub"])
def test_trust_that_others_may_change_is_refused(tmp_path: Path, changed: str) -> None:
    create_key(tmp_path)
    (tmp_path / changed).chmod(0o777 if not changed else 0o666)
    with pytest.raises(UsageError, match="may be written by others"):
        trusted_keys(tmp_path)


def test_keys_of_others_are_trusted_too(tmp_path: Path) -> None:
    ours, theirs = create_key(tmp_path / "a"), create_key(tmp_path / "b")
    (tmp_path / "a" / "plant.pub").write_bytes((tmp_path / "b" / "signing.pub").read_bytes())
    assert set(trusted_keys(tmp_path / "a")) == {ours.key_id, theirs.key_id}
    assert [path.name for path in public_keys(tmp_path / "a")] == ["plant.pub", "signing.pub"]


def test_no_folder_trusts_nobody_and_has_no_key(tmp_path: Path) -> None:
    assert trusted_keys(tmp_path / "none") == {}
    with pytest.raises(UsageError, match="keys create"):
        load_signer(tmp_path / "none")


def test_damaged_keys_are_named(tmp_path: Path) -> None:
    create_key(tmp_path)
    (tmp_path / "other.pub").write_text("no key")
    with pytest.raises(UsageError, match=r"other\.pub"):
        trusted_keys(tmp_path)
    (tmp_path / "signing.key").write_text("no key")
    with pytest.raises(UsageError, match=r"signing\.key"):
        load_signer(tmp_path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path)
    key = x25519.X25519PrivateKey.generate()
    (tmp_path / "signing.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UsageError, match="Ed25519 private key"):
        load_signer(tmp_path)
    (tmp_path / "other.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(UsageError, match="Ed25519 public key"):
        trusted_keys(tmp_path)


def test_a_key_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        create_key(tmp_path / "file" / "keys")


def test_the_key_folder_is_the_users_unless_said_otherwise() -> None:
    assert keys_folder({"RADAR_EDGE_HOME": "/x"}) == Path("/x/keys")
    assert keys_folder({}) == Path.home() / ".config" / "radar-edge" / "keys"


def test_a_signature_survives_its_file(tmp_path: Path) -> None:
    signer = create_key(tmp_path)
    signature = signer.sign(b"text")
    assert Signature.from_bytes(signature.to_bytes()) == signature
    assert signature.key_id == key_id(signer.key.public_key())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"algorithm": "rsa", "key_id": "a", "signature": ""}',
        b'{"algorithm": "ed25519", "key_id": "a", "signature": "?"}',
        b'{"algorithm": "ed25519", "key_id": "a", "signature": "", "more": 1}',
    ],
)
def test_what_is_no_signature_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        Signature.from_bytes(data)
