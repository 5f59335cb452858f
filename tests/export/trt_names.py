"""Which names of TensorRT a module uses, held against the API lists of real bindings.

A variable's name says its class: `builder` is a Builder, `config` an IBuilderConfig, `self._engine` an ICudaEngine, and
so on (VARIABLES).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LISTS = Path(__file__).parent / "trt_api"
VARIABLES = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "cache": "ITimingCache",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "inspector": "EngineInspector",
}
RETURNS = {("OnnxParser", "get_error"): "ParserError"}


def api(version: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((LISTS / f"{version}.json").read_text(encoding="utf-8"))
    return document


def versions() -> list[str]:
    return sorted(path.stem for path in LISTS.glob("*.json"))


def uses(source: str) -> Iterator[tuple[str, str]]:
    """(class, attribute) of every use; the class is "" for the module `trt` itself."""
    tree = ast.parse(source)
    aliases = dict(VARIABLES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = of_module(node.value)
            if name is not None:
                aliases[node.targets[0].id] = name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__"):
            owner = owner_of(node.value, aliases)
            if owner is not None:
                yield owner, node.attr


def of_module(node: ast.expr) -> str | None:
    """X for `trt.X`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trt":
        return node.attr
    return None


def owner_of(node: ast.expr, aliases: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return "" if node.id == "trt" else aliases.get(node.id)
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "session"):
            return aliases.get(node.attr.lstrip("_"))
        return of_module(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        called = owner_of(node.func.value, aliases)
        return None if called is None else RETURNS.get((called, node.func.attr))
    return None


def faults(source: str, version: str) -> list[str]:
    """Uses that this version does not have."""
    known = api(version)
    wrong = []
    for owner, name in uses(source):
        has = known["module"] if owner == "" else known["classes"].get(owner, [])
        if name not in has:
            wrong.append(f"{owner or 'trt'}.{name}")
    return sorted(set(wrong))
