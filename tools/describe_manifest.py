"""The tables of docs/bundle.md, from the models that read manifest.json: tools/describe_manifest.py > tables.md"""

from __future__ import annotations

from typing import Any

from radar_edge.bundle import Manifest
from radar_edge.bundle.manifest import SCHEMA_VERSION


def tables() -> str:
    schema = Manifest.model_json_schema()
    blocks = [table("manifest.json", schema)]
    blocks += [table(name, one) for name, one in sorted(schema["$defs"].items()) if "properties" in one]
    return f"Schema version {SCHEMA_VERSION}.\n\n" + "\n\n".join(blocks) + "\n"


def table(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", "", "| key | type | |", "| --- | --- | --- |"]
    for key, field in schema["properties"].items():
        needed = "" if key in schema.get("required", ()) else "optional; "
        text = needed + field.get("description", "")
        lines.append(f"| `{key}` | {kind(field)} | {text.removesuffix('; ')} |")
    return "\n".join(lines)


def kind(field: dict[str, Any]) -> str:
    """A type in a word or two."""
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[1])
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(str(value) for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        item = field.get("items")
        return f"list of {kind(item)}" if item else "list"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"map to {kind(inner)}" if isinstance(inner, dict) else "map"
    return str(field.get("type", "value"))


if __name__ == "__main__":
    print(tables(), end="")
