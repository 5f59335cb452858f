"""Imports go one way: a layer imports only layers below it, and siblings never import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "radar_edge"

LAYERS = (
    ("errors", "modality", "records", "config", "clock", "files"),
    ("preprocess", "scoring", "bundle", "targets"),
    ("inference", "data", "registration"),
    ("models",),
    ("evaluation",),
    ("training", "export", "runtime", "device"),
    ("simulation", "web", "benchmark"),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Within the two lowest layers the files may use each other; export reads checkpoints and makes the gate's anomalies;
# a unit builds plans as a workstation does (export.engine_build, which needs TensorRT alone).
EXCEPTIONS = {("export", "training"), ("device", "export")}
RUNTIME_MAY_IMPORT = set(LAYERS[0]) | set(LAYERS[1]) | {"inference", "runtime"}
HEAVY = {"torch", "onnx", "onnx_graphsurgeon", "sklearn", "scipy", "matplotlib"}
ON_DEVICE = (*LAYERS[0], *LAYERS[1], "inference", "registration", "runtime", "device", "web")


def imports(path: Path) -> list[tuple[str, str]]:
    """(radar_edge unit, full dotted name) of every import in `path`; other packages as ("", name)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            found.append((parts[1] if parts[0] == "radar_edge" and len(parts) > 1 else "", name))
    return found


def modules() -> list[tuple[str, Path]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in paths]


def fault(unit: str, target: str) -> bool:
    if unit == target or target not in LEVEL or (unit, target) in EXCEPTIONS:
        return False
    if unit == "runtime":
        return target not in RUNTIME_MAY_IMPORT
    if LEVEL[unit] == LEVEL[target]:
        return LEVEL[unit] > 1
    return LEVEL[unit] < LEVEL[target]


@pytest.mark.parametrize(("unit", "path"), modules(), ids=lambda v: str(getattr(v, "name", v)))
def test_imports_go_down_only(unit: str, path: Path) -> None:
    if unit == "__init__":
        return
    assert unit in LEVEL, f"{path} belongs to no layer"
    wrong = [name for target, name in imports(path) if target and fault(unit, target)]
    assert wrong == []


def test_training_never_imports_the_synthetic_set() -> None:
    for unit, path in modules():
        if unit in ("training", "models", "export"):
            assert not [name for _, name in imports(path) if name.startswith("radar_edge.data.synthetic")], path


@pytest.mark.parametrize("unit", ON_DEVICE)
def test_the_device_needs_neither_torch_nor_onnx(unit: str) -> None:
    for name, path in modules():
        if name == unit:
            heavy = [full for _, full in imports(path) if full.split(".")[0] in HEAVY]
            assert heavy == [], path


def test_the_checker_sees_a_fault() -> None:
    assert fault("runtime", "training")
    assert fault("inference", "data")
    assert fault("models", "training")
    assert not fault("export", "training")
