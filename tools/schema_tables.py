"""Tables of keys from the JSON Schema of a pydantic model: type, limits, unit, default. Knows no model.

A model inside another has a section of its own, headed by the place of its first use (`cameras, backend: replay`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# The end of a key says its unit.
UNITS = {
    "_ms": "ms",
    "per_s": "1/s",
    "_s": "s",
    "_days": "days",
    "_mb": "MB",
    "_px": "px",
    "_bytes": "bytes",
    "_counts": "raw counts",
    "fps": "frames/s",
    "baud": "bit/s",
}
LIMITS = {
    "exclusiveMinimum": "> {}",
    "minimum": "≥ {}",
    "exclusiveMaximum": "< {}",
    "maximum": "≤ {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {}",
}


def sections(schema: dict[str, Any], level: int = 2) -> str:
    """Markdown: the model itself, then every model in it in the order of use."""
    models = schema.get("$defs", {})
    places = dict(walk(schema, models, ""))
    blocks = [table(schema, places)]
    for name, place in places.items():
        text = models[name].get("description", "")
        heading = f"{'#' * level} {place}"
        blocks += [heading, *([paragraph(text)] if text else []), table(models[name], places)]
    return "\n\n".join(blocks) + "\n"


def walk(model: dict[str, Any], models: dict[str, Any], path: str, seen: set[str] | None = None) -> Iterator[Any]:
    """Each model in `model` with the place of its first use, depth first."""
    seen = set() if seen is None else seen
    for key, field in model["properties"].items():
        for name in names(field):
            inner = models[name]
            if name in seen or "properties" not in inner:
                continue
            seen.add(name)
            place = f"{path}.{key}" if path else key
            yield name, place + marker(field, inner)
            yield from walk(inner, models, place, seen)


def names(field: dict[str, Any]) -> list[str]:
    """The models that a field may hold, itself or in a list or map."""
    found = [field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else []
    for inner in (
        field.get("items"),
        field.get("additionalProperties"),
        *field.get("anyOf", ()),
        *field.get("oneOf", ()),
    ):
        if isinstance(inner, dict):
            found += names(inner)
    return found


def marker(field: dict[str, Any], model: dict[str, Any]) -> str:
    """`, backend: replay` where the value of one key chooses among models."""
    chooser = field.get("discriminator") or field.get("items", {}).get("discriminator")
    if not chooser:
        return ""
    key = chooser["propertyName"]
    return f", {key}: {model['properties'][key]['const']}"


def table(model: dict[str, Any], places: dict[str, str]) -> str:
    lines = ["| key | type | default | |", "| --- | --- | --- | --- |"]
    for key, field in model["properties"].items():
        kind_text = ", ".join([kind(field, places), *limits(field), *unit(key)])
        needed = key in model.get("required", ())
        default = "needed" if needed else value(field.get("default"), field)
        lines.append(f"| `{key}` | {kind_text} | {default} | {cell(field.get('description', ''))} |")
    return "\n".join(lines)


def kind(field: dict[str, Any], places: dict[str, str]) -> str:
    """A type in a word or two."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[1]
        return link(places[name]) if name in places else name
    for many in ("anyOf", "oneOf"):
        if many in field:
            return " or ".join(kind(one, places) for one in field[many] if one.get("type") != "null")
    if "enum" in field or "const" in field:
        return " or ".join(f"`{one}`" for one in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        item = field.get("items")
        return f"list of {kind(item, places)}" if item else "list"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"map to {kind(inner, places)}" if isinstance(inner, dict) else "map"
    if field.get("format") == "path":
        return "path"
    plain = str(field.get("type", "value"))
    return "true or false" if plain == "boolean" else plain


def link(place: str) -> str:
    """To the section of that heading; GitHub and MkDocs make the same anchor of it."""
    anchor = "".join(c for c in place.lower() if c.isalnum() or c in " -_").replace(" ", "-")
    return f"[{place.rsplit(': ', 1)[-1]}](#{anchor})"


def limits(field: dict[str, Any]) -> list[str]:
    inner = next((one for one in field.get("anyOf", ()) if one.get("type") != "null"), field)
    return [text.format(number(inner[key])) for key, text in LIMITS.items() if key in inner]


def number(limit: float) -> str:
    return str(int(limit)) if limit == int(limit) else f"{limit:g}"


def unit(key: str) -> list[str]:
    return [text for end, text in UNITS.items() if key.endswith(end)][:1]


def value(default: Any, field: dict[str, Any]) -> str:
    """A default as one writes it; a model's own defaults stand in its section."""
    if default is None:
        return "none"
    if isinstance(default, (dict, list)):
        return "its defaults" if default and "$ref" in field else "empty"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def paragraph(text: str) -> str:
    return " ".join(text.split())


def cell(text: str) -> str:
    return paragraph(text).replace("|", "\\|")
