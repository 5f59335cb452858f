from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from small_bundle import CONTENT, manifest, write_bundle

from radar_edge.bundle import Signer, create_key, new_bundle, open_bundle
from radar_edge.errors import BundleError, UsageError
from radar_edge.modality import Subset


def faults(folder: Path, *, allow_unsigned: bool = False) -> tuple[str, ...]:
    with pytest.raises(BundleError) as caught:
        open_bundle(folder, allow_unsigned=allow_unsigned)
    assert caught.value.exit_code == 2
    assert caught.value.next_step is not None
    return caught.value.faults


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def test_a_whole_bundle_opens(bundle: Path, signer: Signer) -> None:
    opened = open_bundle(bundle)
    assert opened.signed_by == signer.key_id
    assert opened.modalities == ("rgb", "tir")
    assert opened.subsets == (Subset(("rgb",)), Subset(("tir",)), Subset(("rgb", "tir")))
    assert opened.sha256 == hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    entry = opened.engine(Subset(("tir",)), "fp32")
    assert opened.path(entry.file).read_bytes() == b"tir engine"
    with pytest.raises(BundleError, match="rgb fp32, tir fp32"):
        opened.engine(Subset(("tir",)), "int8")


@pytest.mark.parametrize("file", CONTENT)
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_names_its_file_and_no_other(bundle: Path, file: str, place: int) -> None:
    flip(bundle / file, place)
    assert faults(bundle) == (f"{file} has changed",)


def test_any_changed_byte_of_the_manifest_is_found(bundle: Path) -> None:
    size = (bundle / "manifest.json").stat().st_size
    for place in range(0, size, size // 40):
        flip(bundle / "manifest.json", place)
        assert "manifest.json" in faults(bundle)[0]
        flip(bundle / "manifest.json", place)
    open_bundle(bundle)


def test_any_changed_byte_of_the_signature_document_is_found(bundle: Path) -> None:
    path = bundle / "manifest.sig"
    whole = path.read_bytes()
    for place in range(len(json.dumps(json.loads(whole)))):
        flip(path, place)
        try:
            same = json.loads(path.read_bytes()) == json.loads(whole)
        except ValueError:
            same = False
        if not same:
            assert "manifest.sig" in faults(bundle)[0]
        path.write_bytes(whole)


def test_truncated_missing_and_extra_files_are_all_named_at_once(bundle: Path) -> None:
    (bundle / "onnx/rgb_fp32.onnx").write_bytes(CONTENT["onnx/rgb_fp32.onnx"][:-1])
    (bundle / "onnx/tir_fp32.onnx").unlink()
    (bundle / "onnx/.hidden").write_bytes(b"")
    (bundle / "plan").mkdir()
    (bundle / "plan/rgb.plan").write_bytes(b"code")
    assert faults(bundle) == (
        "onnx/rgb_fp32.onnx has changed",
        "onnx/tir_fp32.onnx is missing",
        "onnx/.hidden does not belong to the bundle",
        "plan/rgb.plan does not belong to the bundle",
    )


def test_links_are_never_followed(bundle: Path, tmp_path: Path) -> None:
    engine = bundle / "onnx/rgb_fp32.onnx"
    elsewhere = tmp_path / "elsewhere.onnx"
    engine.rename(elsewhere)
    engine.symlink_to(elsewhere)
    (bundle / "more").symlink_to(tmp_path)
    assert faults(bundle) == ("onnx/rgb_fp32.onnx is not a plain file", "more does not belong to the bundle")


def test_a_signature_by_another_key_is_not_trusted_until_the_key_is(bundle: Path, home: Path, tmp_path: Path) -> None:
    other = create_key(tmp_path / "other")
    write_bundle(bundle, other, replace=True)
    with pytest.raises(BundleError, match=str(home / "keys")) as caught:
        open_bundle(bundle)
    assert other.key_id in caught.value.faults[0]
    assert open_bundle(bundle, allow_unsigned=True).signed_by is None
    (home / "keys" / "other.pub").write_bytes((tmp_path / "other" / "signing.pub").read_bytes())
    assert open_bundle(bundle).signed_by == other.key_id


def test_a_signature_that_borrows_a_trusted_id_is_wrong(bundle: Path, signer: Signer, tmp_path: Path) -> None:
    forged = create_key(tmp_path / "other").sign((bundle / "manifest.json").read_bytes())
    document = json.loads(forged.to_bytes()) | {"key_id": signer.key_id}
    (bundle / "manifest.sig").write_text(json.dumps(document))
    assert "is wrong" in faults(bundle)[0]
    assert "is wrong" in faults(bundle, allow_unsigned=True)[0]


def test_an_unsigned_bundle_opens_only_where_that_is_allowed(bundle: Path) -> None:
    (bundle / "manifest.sig").unlink()
    assert "manifest.sig is missing" in faults(bundle)[0]
    assert open_bundle(bundle, allow_unsigned=True).signed_by is None
    flip(bundle / "onnx/rgb_fp32.onnx", 0)
    assert faults(bundle, allow_unsigned=True) == ("onnx/rgb_fp32.onnx has changed",)


def test_a_new_manifest_without_a_signature_of_it_is_refused(bundle: Path) -> None:
    document = json.loads((bundle / "manifest.json").read_text())
    document["engines"][0]["calibration"]["threshold"] = 1e9
    (bundle / "manifest.json").write_text(json.dumps(document))
    assert "is wrong" in faults(bundle)[0]


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_what_is_no_bundle_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="is no bundle"):
        open_bundle(tmp_path / name, {})


def test_nothing_is_left_when_writing_fails(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(RuntimeError), new_bundle(tmp_path / "b", signer) as writer:  # noqa: PT012
        writer.add("onnx/rgb_fp32.onnx", b"x")
        raise RuntimeError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]


def test_only_a_bundle_is_ever_replaced(bundle: Path, signer: Signer, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        write_bundle(bundle, signer)
    write_bundle(bundle, signer, replace=True)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"dear")
    with pytest.raises(UsageError, match="not a bundle"):
        write_bundle(tmp_path / "photos", signer, replace=True)
    assert (tmp_path / "photos" / "one.png").exists()


def test_a_manifest_must_list_what_was_added(tmp_path: Path, signer: Signer) -> None:
    with pytest.raises(ValueError, match="does not list"), new_bundle(tmp_path / "b", signer) as writer:
        writer.finish(manifest(dict.fromkeys(CONTENT, "a" * 64)))
    with pytest.raises(ValueError, match="without finish"), new_bundle(tmp_path / "b", signer):
        pass
