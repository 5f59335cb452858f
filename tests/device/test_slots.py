"""The two slots of a unit on disk."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from radar_edge.bundle import open_bundle
from radar_edge.config import LineConfig, validate
from radar_edge.device.slots import CLAIM_S, Slots
from radar_edge.errors import BundleError, UsageError
from radar_edge.runtime.compose import follow_links
from radar_edge.simulation.bright import CALIBRATION, write_bundle
from radar_edge.simulation.example_line import line_document


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slots:
    """A unit before its first deployment, and two bundles beside it."""
    monkeypatch.setenv("RADAR_EDGE_HOME", str(tmp_path / "home"))
    write_bundle(tmp_path / "one", tmp_path / "home" / "keys")
    (tmp_path / "home/keys/signing.key").rename(tmp_path / "old.key")
    (tmp_path / "home/keys/signing.pub").rename(tmp_path / "home/keys/first.pub")
    write_bundle(tmp_path / "two", tmp_path / "home" / "keys", CALIBRATION.model_copy(update={"target_frr": 0.31}))
    return Slots(tmp_path / "unit")


def fill(slots: Slots, bundle: str, token: str = "t", now_s: float = 0.0) -> str:
    name = slots.claim(token, now_s)
    shutil.copytree(slots.root.parent / bundle, slots.path(name) / "bundle")
    return name


def test_deployments_take_turns(slots: Slots) -> None:
    assert (slots.current, slots.free) == (None, "a")
    assert fill(slots, "one") == "a"
    slots.switch("a")
    assert fill(slots, "two") == "b"
    assert slots.current == "a"
    two = slots.switch("b")
    assert (slots.current, slots.free) == ("b", "a")
    assert open_bundle(slots.root / "current" / "bundle").sha256 == two.sha256
    one = slots.rollback()
    assert (slots.current, one.sha256 != two.sha256) == ("a", True)


def test_a_slot_that_is_not_whole_is_never_switched_to(slots: Slots) -> None:
    fill(slots, "one")
    slots.switch("a")
    fill(slots, "two")
    (slots.path("b") / "bundle/onnx/rgb_fp32.onnx").write_bytes(b"half")
    with pytest.raises(BundleError, match="cannot be trusted"):
        slots.switch("b")
    assert slots.current == "a"
    assert slots.look("b").problem is not None
    with pytest.raises(BundleError):
        slots.rollback()
    assert slots.current == "a"


def test_a_bundle_of_an_unknown_maker_is_refused(slots: Slots) -> None:
    fill(slots, "one")
    (slots.root.parent / "home/keys/first.pub").unlink()
    with pytest.raises(BundleError, match="cannot be trusted"):
        slots.switch("a")
    assert slots.current is None


def test_one_deployment_at_a_time(slots: Slots) -> None:
    slots.claim("first", 1000.0)
    with pytest.raises(UsageError, match="under way") as caught:
        slots.claim("second", 1000.0 + CLAIM_S - 1)
    assert caught.value.exit_code == 2
    assert slots.claim("first", 1001.0) == "a"
    assert slots.claim("second", 1001.0 + CLAIM_S) == "a"
    with pytest.raises(UsageError, match="not this deployment's"):
        slots.check_claim("a", "first")
    slots.check_claim("a", "second")
    slots.take_over()
    assert slots.claim("third", 1002.0 + CLAIM_S) == "a"


def test_nothing_to_go_back_to(slots: Slots) -> None:
    with pytest.raises(UsageError, match="nothing to go back"):
        slots.rollback()


def test_the_line_follows_the_link_once(slots: Slots) -> None:
    fill(slots, "one")
    slots.switch("a")
    config = validate(LineConfig, line_document("x") | {"bundle": str(slots.root / "current/bundle")}, "test")
    found = follow_links(config)
    assert found.bundle == (slots.path("a") / "bundle").resolve()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed (make peers)")
@pytest.mark.peer
def test_everything_is_on_the_disk_before_the_link_is_renamed(slots: Slots, tmp_path: Path) -> None:
    """As the kernel saw it: fsync of every file and folder of the slot, then the rename, then the root's fsync."""
    fill(slots, "one")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"]
    command += ["-o", str(trace)]
    run = [sys.executable, "-m", "radar_edge", "slot", "switch", "a", "--root", str(slots.root)]
    found = subprocess.run([*command, *run], capture_output=True, text=True, check=False)
    if "ptrace" in found.stderr and found.returncode != 0:
        pytest.skip("this machine does not allow ptrace")
    assert found.returncode == 0, found.stderr
    lines = trace.read_text().splitlines()
    renames = [n for n, line in enumerate(lines) if re.search(r"rename\w*\(", line) and "/current" in line]
    assert len(renames) == 1
    synced = {re.findall(r"<([^>]+)>", line)[0] for line in lines[: renames[0]] if "fsync(" in line}
    slot = slots.path("a")
    wanted = {str(path.resolve()) for path in [slot, *slot.rglob("*"), slot.parent]}
    assert wanted <= synced
    after = [line for line in lines[renames[0] :] if "fsync(" in line and f"<{slots.root.resolve()}>" in line]
    assert after
