"""`radar-edge inspect`: what a bundle says of itself, and what each layer of an engine is computed in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radar_edge.cli.engines import document, engines_table, tell_refused
from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.thresholds import thresholds_table
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle, Manifest


def register(app: typer.Typer) -> None:
    app.command("inspect")(inspect)


def inspect(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    layers: Annotated[
        str | None, typer.Option("--layers", help="Also every layer of one engine, such as rgb_tir/int8.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show a bundle's engines, gates and thresholds."""
    from radar_edge.bundle import open_bundle

    opened = open_bundle(bundle)
    manifest = opened.manifest
    say(f"{bundle}: made by {manifest.created_by}, signed with the key {opened.signed_by}")
    say(f"modalities {', '.join(opened.modalities)}; {len(manifest.files)} files, {size_mb(opened):.1f} MB")
    say("tools: " + ", ".join(f"{name} {version}" for name, version in manifest.tools.items()))
    console.print(engines_table(manifest.engines, opened.folder))
    tell_kept(manifest)
    tell_refused(manifest.refused)
    console.print(thresholds_table(manifest.engines))
    facts = layers_of(opened, layers) if layers is not None else []
    if facts:
        console.print(layers_table(facts))
    if json:
        print_json({**document(opened), "tools": manifest.tools, "layers": facts})


def size_mb(bundle: Bundle) -> float:
    return sum(bundle.path(file).stat().st_size for file in bundle.manifest.files) / 1e6


def tell_kept(manifest: Manifest) -> None:
    """The layers of INT8 engines that the gate moved to FP16."""
    for engine in manifest.engines:
        if engine.rounding is None:
            continue
        moved = [f"{kept.layer} ({kept.error:.2f})" for kept in engine.rounding.kept if kept.error is not None]
        small = len(engine.rounding.kept) - len(moved)
        say(f"{engine.subset} int8: {engine.rounding.layers} layers in INT8; FP16: {small} of few channels"
            f"{', moved by the gate (score error alone): ' + ', '.join(moved) if moved else ''}")  # fmt: skip


def layers_of(bundle: Bundle, engine: str) -> list[dict[str, Any]]:
    """Raises UsageError unless `engine` is SUBSET/PRECISION, BundleError if the bundle has no such engine."""
    from dataclasses import asdict

    from radar_edge.modality import subset_from_slug

    try:
        import onnx

        from radar_edge.export.layers import layer_facts
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "onnx", "export", "reading an engine's layers") from error
    slug, slash, precision = engine.partition("/")
    if not slash:
        raise UsageError("this names no engine", found=engine, wanted="SUBSET/PRECISION, such as rgb_tir/int8")
    entry = bundle.engine(subset_from_slug(slug, bundle.modalities), precision)
    return [asdict(fact) for fact in layer_facts(onnx.load(bundle.path(entry.file)))]


def layers_table(facts: list[dict[str, Any]]) -> Table:
    shown = Table(title="Layers with weights", title_justify="left")
    for title in ("layer", "op", "in"):
        shown.add_column(title)
    for title in ("weights", "output"):
        shown.add_column(title, justify="right")
    for fact in facts:
        output = "x".join(str(side) for side in fact["output"])
        shown.add_row(fact["name"], fact["op"], fact["precision"], f"{fact['weights']:,}", output)
    return shown
