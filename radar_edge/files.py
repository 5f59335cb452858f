"""Files that are either whole or absent, and digests of them. Knows no format but JSON and YAML.

A file is written beside its target, synced, and renamed over it: a reader, a crash or a power cut
never meets half a file (rename(2) is atomic within a file system).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from radar_edge.errors import StorageError, UsageError


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `path` atomically. Raises StorageError, leaving what was there untouched."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(fd, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}", found=error.strerror, next_step="check the disk's space and rights"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, document: Any) -> None:
    """Sorted keys, two spaces, a final newline: equal documents are equal bytes."""
    write_text(path, json_text(document))


def json_text(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(document: Any) -> str:
    return hashlib.sha256(json_text(document).encode()).hexdigest()


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A fresh folder that becomes `target` when the block ends without an error.

    Raises UsageError if `target` exists and is not an empty folder, unless `replace`; StorageError if the
    disk refuses. On any error, also an interrupt, `target` stays as it was.
    """
    target = target.absolute()
    if not replace and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"{target} exists already", wanted="a new or empty folder", next_step="name another, or remove it"
        )
    work = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        _storage(lambda: work.mkdir(parents=True), target)
        yield work
        _storage(lambda: _swap(work, target), target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _swap(work: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        target.rename(old)
    try:
        work.rename(target)
    except BaseException:
        with suppress(OSError):
            old.rename(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _storage(act: Callable[[], None], target: Path) -> None:
    try:
        act()
    except OSError as error:
        raise StorageError(f"cannot write the folder {target}", found=error.strerror) from error
