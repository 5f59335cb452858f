"""Two slots on a unit, and which of them the line starts from. A switch is one rename: the old one, then the new.

    <root>/slots/a/  <root>/slots/b/      each: bundle/, and device/ where the engine is TensorRT
    <root>/current -> slots/a             what line.yaml names: current/bundle, current/device
    <root>/slots/<free>/.deploying        whose deployment fills the free slot now

The slot that `current` leads to is never written to. Everything in a slot is on the disk (fsync of files and folders)
before `current` may lead there, so that a power cut at any moment leaves a whole one.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from radar_edge import files
from radar_edge.bundle import Bundle, open_bundle
from radar_edge.bundle.device_record import open_device
from radar_edge.errors import BundleError, StorageError, UsageError

NAMES = ("a", "b")
CURRENT, CLAIM = "current", ".deploying"
CLAIM_S = 3600.0
"""A deployment that began so long ago has died: building plans takes minutes."""


@dataclass(frozen=True)
class Slot:
    """What is in a slot. `problem`: why the line cannot start from it; None if it can."""

    name: str
    bundle_sha256: str | None
    problem: str | None


class Slots:
    """The slots below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        if name not in NAMES:
            raise UsageError("there is no such slot", found=name, wanted=" or ".join(NAMES))
        return self.root / "slots" / name

    @property
    def current(self) -> str | None:
        """The slot that the line starts from; None before the first deployment."""
        link = self.root / CURRENT
        if not link.is_symlink():
            return None
        name = link.readlink().name
        return name if name in NAMES else None

    @property
    def free(self) -> str:
        return "b" if self.current == "a" else "a"

    def look(self, name: str) -> Slot:
        """Verify a slot without changing it."""
        try:
            return Slot(name, self.verify(name).sha256, None)
        except (BundleError, StorageError) as error:
            return Slot(name, None, error.problem)

    def verify(self, name: str) -> Bundle:
        """The slot's bundle, verified whole with its plans if there are any. Raises BundleError."""
        slot = self.path(name)
        bundle = open_bundle(slot / "bundle")
        if (slot / "device").exists():
            open_device(slot / "device", bundle.sha256)
        return bundle

    def claim(self, token: str, now_s: float) -> str:
        """Empty the free slot for the deployment `token`, begun at `now_s` (time of day); its name.

        Raises UsageError while another deployment fills it.
        """
        name = self.free
        claimed = self._claimed(name)
        if claimed is not None and claimed[0] != token and 0 <= now_s - claimed[1] < CLAIM_S:
            raise UsageError(
                "another deployment is under way on this unit",
                found=f"begun {now_s - claimed[1]:.0f} s ago",
                next_step="wait for it; one that died can be set aside with --take-over",
            )
        slot = self.path(name)
        try:
            shutil.rmtree(slot, ignore_errors=True)
            slot.mkdir(parents=True)
            files.write_json(slot / CLAIM, {"token": token, "at_s": now_s})
        except OSError as error:
            raise StorageError(
                f"cannot prepare {slot}", found=error.strerror, next_step="check disk and rights"
            ) from error
        return name

    def take_over(self) -> None:
        """Forget whose deployment fills the free slot."""
        (self.path(self.free) / CLAIM).unlink(missing_ok=True)

    def check_claim(self, name: str, token: str) -> None:
        """Raises UsageError unless this deployment may write to the slot."""
        claimed = self._claimed(name)
        if name == self.current or claimed is None or claimed[0] != token:
            raise UsageError(
                f"slot {name} is not this deployment's any more", next_step="begin again with `radar-edge deploy`"
            )

    def _claimed(self, name: str) -> tuple[str, float] | None:
        try:
            document = json.loads((self.path(name) / CLAIM).read_text())
            return str(document["token"]), float(document["at_s"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def switch(self, name: str) -> Bundle:
        """Verify the slot, bring all of it to the disk, let `current` lead to it. Raises BundleError, StorageError."""
        bundle = self.verify(name)
        slot = self.path(name)
        try:
            (slot / CLAIM).unlink(missing_ok=True)
            sync_tree(slot)
            files.sync_folder(slot.parent)
            new = self.root / f".{CURRENT}.{secrets.token_hex(4)}"
            new.symlink_to(Path("slots") / name)
            new.replace(self.root / CURRENT)
            files.sync_folder(self.root)
        except OSError as error:
            raise StorageError(f"cannot switch to slot {name}", found=error.strerror) from error
        self._sweep()
        return bundle

    def rollback(self) -> Bundle:
        """Let `current` lead to the other slot. Raises BundleError if that cannot be started from."""
        if self.current is None:
            raise UsageError("there is nothing to go back from", found=f"no {self.root / CURRENT}")
        return self.switch(self.free)

    def _sweep(self) -> None:
        """Links that a killed switch left behind."""
        for left in self.root.glob(f".{CURRENT}.*"):
            left.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Every file and folder below, the deepest first, and `folder` itself. Raises OSError."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            fd = os.open(Path(parent) / name, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        files.sync_folder(Path(parent))


def now_s() -> float:
    """The time of day: a deployment may outlast a reboot."""
    return time.time()
