"""The folder of a bundle: written whole and signed, verified whole before anything in it is used.

It does not know what the files mean; a signature says who made them, a digest that they are unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from radar_edge import files
from radar_edge.bundle.manifest import REBUILD, EngineEntry, Manifest, read_manifest
from radar_edge.bundle.signing import PUBLIC, Signature, Signer, TrustedKeys, keys_folder, trusted_keys
from radar_edge.errors import BundleError, UsageError
from radar_edge.modality import Subset, subset_from_slug

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
COPY_AGAIN = "copy the bundle again, or build it again with `radar-edge build-engines`"
ADD_KEY = f"if you trust its maker, copy their {PUBLIC} into {{folder}} under a name of its own ending in .pub"


@dataclass(frozen=True)
class Bundle:
    """An opened, verified bundle. `signed_by` is None only where an unsigned one was allowed."""

    folder: Path
    manifest: Manifest
    sha256: str
    """Digest of manifest.json, and so of everything."""
    signed_by: str | None

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.manifest.model.modalities

    @property
    def subsets(self) -> tuple[Subset, ...]:
        return tuple(subset_from_slug(slug, self.modalities) for slug in self.manifest.subsets)

    def engine(self, subset: Subset, precision: str) -> EngineEntry:
        """Raises BundleError if the bundle has no such engine."""
        for entry in self.manifest.engines:
            if (entry.subset, entry.precision) == (subset.slug, precision):
                return entry
        raise BundleError(
            f"{self.folder} has no engine for {subset} in {precision}",
            found=", ".join(f"{e.subset} {e.precision}" for e in self.manifest.engines),
            next_step="choose one of those, or build the bundle again with it",
        )

    def path(self, file: str) -> Path:
        return self.folder / file


@dataclass
class Faults:
    """Faults collected while a bundle is checked, each with what to do about it."""

    texts: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def add(self, text: str, step: str) -> None:
        self.texts.append(text)
        if step not in self.steps:
            self.steps.append(step)


def open_bundle(folder: Path, trusted: TrustedKeys | None = None, *, allow_unsigned: bool = False) -> Bundle:
    """Verify all of `folder`. `trusted` is by default what the user's key folder trusts.

    `allow_unsigned` accepts an absent signature and an unknown signer, never a wrong signature or digest.
    Raises BundleError that lists every file that is missing, extra or changed.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleError(
            f"{folder} is no bundle",
            found=f"no {MANIFEST}",
            wanted="a folder written by `radar-edge build-engines`",
            next_step=COPY_AGAIN,
        )
    if trusted is None:
        trusted = trusted_keys(keys_folder())
    data = _read(folder / MANIFEST)
    faults = Faults()
    signed_by = _check_signature(folder, data, trusted, allow_unsigned, faults)
    try:
        manifest = read_manifest(data, str(folder / MANIFEST))
    except BundleError as error:
        if not faults.texts:
            raise
        faults.add(" ".join([error.problem, *error.faults]), REBUILD)
    else:
        _check_files(folder, manifest.files, faults)
        if not faults.texts:
            return Bundle(folder, manifest, sha256(data).hexdigest(), signed_by)
    raise BundleError(f"the bundle {folder} cannot be trusted", faults=faults.texts, next_step="; ".join(faults.steps))


@contextmanager
def new_bundle(target: Path, signer: Signer, *, replace: bool = False) -> Iterator[BundleWriter]:
    """A bundle that appears at `target`, signed, when the block ends without an error.

    Raises UsageError if `target` is taken; with `replace` only if what is there is not a bundle.
    """
    if replace and target.exists() and not (target / MANIFEST).is_file() and not _is_empty(target):
        raise UsageError(f"{target} is not a bundle, so it is not replaced", next_step="name another folder")
    with files.new_folder(target, replace=replace) as work:
        writer = BundleWriter(work)
        yield writer
        if writer.manifest is None:
            raise ValueError("the block ended without finish()")
        data = files.json_text(writer.manifest.model_dump(mode="json")).encode()
        files.write_bytes(work / MANIFEST, data)
        files.write_bytes(work / SIGNATURE, signer.sign(data).to_bytes())


@dataclass
class BundleWriter:
    """Collects the files of a bundle and their digests."""

    folder: Path
    digests: dict[str, str] = field(default_factory=dict)
    manifest: Manifest | None = None

    def add(self, file: str, data: bytes) -> None:
        """Write `data` as `file`, a path inside the bundle."""
        files.write_bytes(self.folder / file, data)
        self.digests[file] = sha256(data).hexdigest()

    def finish(self, manifest: Manifest) -> None:
        """Set what is signed. Its `files` must be the digests of what was added."""
        if manifest.files != self.digests:
            raise ValueError("the manifest does not list the files that were added")
        self.manifest = manifest


def _check_signature(
    folder: Path, data: bytes, trusted: TrustedKeys, allow_unsigned: bool, faults: Faults
) -> str | None:
    """The id of the trusted key that signed `data`, or None with a fault unless that is allowed."""
    path = folder / SIGNATURE
    if not path.is_file():
        if not allow_unsigned:
            faults.add(f"{SIGNATURE} is missing: nobody vouches for this bundle", COPY_AGAIN)
        return None
    try:
        signature = Signature.from_bytes(_read(path))
    except ValueError as error:
        faults.add(f"{SIGNATURE} is damaged: {error}", COPY_AGAIN)
        return None
    key = trusted.get(signature.key_id)
    if key is None:
        if not allow_unsigned:
            step = ADD_KEY.format(folder=keys_folder())
            faults.add(f"{SIGNATURE} was made with the key {signature.key_id}, which is not trusted here", step)
        return None
    if not signature.is_valid(key, data):
        faults.add(f"{MANIFEST} or {SIGNATURE} has changed: the signature of {signature.key_id} is wrong", COPY_AGAIN)
        return None
    return signature.key_id


def _check_files(folder: Path, wanted: Mapping[str, str], faults: Faults) -> None:
    """Every file listed is there unchanged, and nothing else is there."""
    present = dict(_walk(folder))
    for file, digest in sorted(wanted.items()):
        path = present.pop(file, None)
        if path is None:
            faults.add(f"{file} is missing", COPY_AGAIN)
        elif path.is_symlink() or not path.is_file():
            faults.add(f"{file} is not a plain file", COPY_AGAIN)
        elif _digest(path) != digest:
            faults.add(f"{file} has changed", COPY_AGAIN)
    for file in sorted(present.keys() - {MANIFEST, SIGNATURE}):
        faults.add(f"{file} does not belong to the bundle", f"look at what put it there; {COPY_AGAIN}")


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path in the bundle, path) of everything but real folders; links are never followed."""
    for parent, subfolders, names in os.walk(folder):
        links = [name for name in subfolders if (Path(parent) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(parent) / name
            yield path.relative_to(folder).as_posix(), path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}", found=error.strerror, next_step=COPY_AGAIN) from error


def _digest(path: Path) -> str:
    try:
        return files.sha256_file(path)
    except OSError as error:
        raise BundleError(f"cannot read {path}", found=error.strerror, next_step="check the file's rights") from error


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
