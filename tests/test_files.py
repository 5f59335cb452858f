from __future__ import annotations

from pathlib import Path

import pytest

from radar_edge import files
from radar_edge.errors import StorageError, UsageError


def test_write_replaces_whole_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.json"
    files.write_json(target, {"b": 1, "a": "ü"})
    files.write_json(target, {"a": 2})
    assert target.read_text() == '{\n  "a": 2\n}\n'
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "inside").write_text("x")
    with pytest.raises(StorageError):
        files.write_bytes(tmp_path / "a", b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "out") as work:
        (work / "f").write_text("1")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "f").read_text() == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_folder_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with files.new_folder(tmp_path / "out") as work:
            (work / "f").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_the_block_keeps_its_own_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.new_folder(tmp_path / "out"):
        (tmp_path / "absent").read_text()


def test_a_taken_folder_is_refused_unless_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("1")
    with pytest.raises(UsageError), files.new_folder(out):
        pass
    with files.new_folder(out, replace=True) as work:
        (work / "new").write_text("2")
    assert [p.name for p in out.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_digests_of_equal_documents_are_equal() -> None:
    assert files.sha256_json({"a": 1, "b": 2}) == files.sha256_json({"b": 2, "a": 1})
