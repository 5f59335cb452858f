"""provision.sh on scratch roots, and the units that it installs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tools" / "provision"
SCRIPT = FOLDER / "provision.sh"
SHELLCHECK = Path(sys.prefix) / "bin/shellcheck"
GETTY = "etc/systemd/system/multi-user.target.wants/nvgetty.service"
ARGUMENTS = ("--target", "orin-nano-8gb", "--nvpmodel", "2", "--gige", "eth1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An L4T root file system, as far as the script looks."""
    (tmp_path / "root" / GETTY).parent.mkdir(parents=True)
    (tmp_path / "root" / GETTY).symlink_to("/lib/systemd/system/nvgetty.service")
    return tmp_path / "root"


def run(*arguments: str | Path, code: int = 0) -> str:
    found = subprocess.run([str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout if code == 0 else found.stderr


def tree(root: Path) -> dict[str, str]:
    """Every file with its digest or where it leads."""
    return {
        str(path.relative_to(root)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_it_prepares_a_root_and_has_nothing_to_do_the_second_time(root: Path) -> None:
    run(*ARGUMENTS, "--root", root)
    first = tree(root)
    assert run(*ARGUMENTS, "--root", root) == "nothing to do\n"
    assert tree(root) == first
    wants = "etc/systemd/system/multi-user.target.wants"
    assert first[f"{wants}/radar-edge-finish.service"] == "/etc/systemd/system/radar-edge-finish.service"
    assert first["etc/systemd/system/nvgetty.service"] == "/dev/null"
    assert GETTY not in first
    assert (root / "etc/radar-edge/unit.env").read_text() == (
        "RADAR_EDGE_TARGET=orin-nano-8gb\nRADAR_EDGE_NVPMODEL=2\n"
    )
    assert "OriginalName=eth1" in (root / "etc/systemd/network/70-radar-edge-gige.link").read_text()
    assert not list(root.rglob("*.new"))


def test_a_dry_run_says_the_same_and_changes_nothing(root: Path) -> None:
    before = tree(root)
    said = run(*ARGUMENTS, "--root", root, "--dry-run")
    assert tree(root) == before
    done = run(*ARGUMENTS, "--root", root)
    assert said.replace("would ", "") == done


def test_another_engine_takes_its_services_away(root: Path) -> None:
    run(*ARGUMENTS, "--root", root)
    run(*ARGUMENTS, "--root", root, "--engine", "onnxruntime")
    assert not [name for name in tree(root) if "tensorrt" in name]
    assert not (root / "etc/systemd/system/multi-user.target.wants/radar-edge-finish.service").is_symlink()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "say which board"),
        (("--target", "../etc"), 2, "letters, digits and dashes"),
        (("--target", "orin-nano-8gb", "--nvpmodel", "max"), 2, "is a number"),
        (("--target", "orin-nano-8gb", "--gige", "eth 1"), 2, "no network interface"),
        (("--target", "orin-nano-8gb", "--engine", "openvino"), 2, "onnxruntime or tensorrt"),
        (("--target",), 2, "needs a value"),
        (("--now",), 2, "unknown argument"),
        (("--target", "orin-nano-8gb", "--root", "/nowhere"), 3, "no root file system"),
    ],
)
def test_a_wrong_argument_is_said(arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in run(*arguments, code=code)


@pytest.mark.skipif(not SHELLCHECK.exists(), reason="shellcheck is not installed")
def test_the_scripts_pass_shellcheck() -> None:
    scripts = [*FOLDER.glob("*.sh"), *FOLDER.parent.glob("*.sh")]
    found = subprocess.run([str(SHELLCHECK), *map(str, scripts)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (make peers)")
@pytest.mark.peer
@pytest.mark.parametrize("unit", sorted(path.name for path in FOLDER.glob("*.service")))
def test_the_units_verify(unit: str, tmp_path: Path) -> None:
    """Programs that stand on the board alone are put in by name."""
    text = (FOLDER / unit).read_text()
    for program in ("/usr/sbin/nvpmodel", "/usr/bin/jetson_clocks"):
        text = text.replace(program, "/bin/true")
    (tmp_path / unit).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = [line for line in found.stderr.splitlines() if unit in line]
    assert (found.returncode, wrong) == (0, []), found.stderr
