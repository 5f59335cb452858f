from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_bundle import CONTENT, manifest

from radar_edge.bundle.manifest import is_inside, read_manifest
from radar_edge.errors import BundleError

DIGESTS = dict.fromkeys(CONTENT, "a" * 64)


def document() -> dict[str, Any]:
    return manifest(DIGESTS).model_dump(mode="json")


def read(changed: Any) -> Any:
    return read_manifest(json.dumps(changed).encode(), "manifest.json")


def test_what_is_written_is_read_back() -> None:
    assert read(document()) == manifest(DIGESTS)


@pytest.mark.parametrize("place", [(), ("model",), ("engines", 0), ("engines", 0, "calibration"), ("preprocess",)])
def test_an_unknown_key_is_refused_and_named(place: tuple[Any, ...]) -> None:
    changed = document()
    inner = changed
    for step in place:
        inner = inner[step]
    inner["surprise"] = 1
    with pytest.raises(BundleError, match="surprise"):
        read(changed)


@pytest.mark.parametrize("version", [0, 1, 3, None, "2"])
def test_an_unknown_schema_version_is_refused_before_all_else(version: Any) -> None:
    with pytest.raises(BundleError, match="unknown schema version") as caught:
        read({"schema_version": version, "something": "new"})
    assert caught.value.next_step is not None


def test_all_faults_are_listed_at_once() -> None:
    changed = document()
    changed["model"]["weights_sha256"] = "short"
    del changed["created_by"]
    changed["engines"][1]["precision"] = "fp64"
    with pytest.raises(BundleError) as caught:
        read(changed)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["files"].pop("onnx/tir_fp32.onnx"), "tir_fp32.onnx' is not listed"),
        (lambda d: d["files"].update({"../outside": "b" * 64}), "not inside the bundle"),
        (lambda d: d["subsets"].append("tir_rgb"), "not a subset"),
        (lambda d: d["engines"].append(d["engines"][0]), "same subset and precision"),
        (lambda d: d["engines"].pop(), "not those of the engines"),
        (lambda d: d["preprocess"]["modalities"].pop("tir"), "same modalities"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(change: Any, said: str) -> None:
    changed = document()
    change(changed)
    with pytest.raises(BundleError, match=said):
        read(changed)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        read_manifest(data, "manifest.json")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "a/", ""])
def test_a_path_that_could_leave_the_bundle_is_not_inside(path: str) -> None:
    assert not is_inside(path)


@given(st.lists(st.from_regex(r"[a-z0-9_]{1,8}(\.[a-z]{1,4})?", fullmatch=True), min_size=1, max_size=4))
def test_plain_relative_paths_are_inside(parts: list[str]) -> None:
    assert is_inside("/".join(parts))
