"""What a person is told of engines: size, parity, the gate's figures, what was excluded and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from radar_edge.cli.output import say
from radar_edge.cli.thresholds import facts

if TYPE_CHECKING:
    from radar_edge.bundle import Bundle, EngineEntry, Gate, Refused

NOTE = (
    "against the FP32 engine of the subset, on held-out good parts and corrupted copies of them; parity: largest "
    "difference of the map to the trained network's; flips: decided differently; INT8: layers of all convolutions"
)


def engines_table(engines: Sequence[EngineEntry], folder: Path) -> Table:
    """At most 100 columns wide."""
    table = Table(title="Engines", title_justify="left", caption=NOTE, caption_justify="left")
    for title in ("subset", "engine"):
        table.add_column(title, no_wrap=True)
    for title in ("MMAC", "MB", "parity", "AUROC loss", "AUPRO loss", "map corr.", "flips", "INT8"):
        table.add_column(title, justify="right", no_wrap=True)
    for engine in engines:
        size = (folder / engine.file).stat().st_size / 1e6
        numbers = (f"{engine.macs / 1e6:.0f}", f"{size:.2f}", f"{engine.parity.max_abs_map:.0e}")
        table.add_row(engine.subset, engine.precision, *numbers, *gate_cells(engine.gate), layer_cell(engine))
    return table


def gate_cells(gate: Gate | None) -> tuple[str, ...]:
    if gate is None:
        return ("-",) * 4
    return (
        f"{gate.auroc_fp32 - gate.auroc:+.4f}",
        f"{gate.aupro_fp32 - gate.aupro:+.4f}",
        f"{gate.map_correlation:.5f}",
        f"{gate.flipped:.1%}",
    )


def layer_cell(engine: EngineEntry) -> str:
    if engine.rounding is None:
        return "-"
    return f"{engine.rounding.layers}/{engine.rounding.layers + len(engine.rounding.kept)}"


def tell_refused(refused: Sequence[Refused]) -> None:
    for one in refused:
        moved = f" with {one.tried} layers moved to FP16" if one.tried else ""
        faults = "; ".join(one.gate.faults)
        say(f"{one.subset} {one.precision} failed its gate{moved} and is not in the bundle: {faults}")


def document(bundle: Bundle) -> dict[str, Any]:
    """For the JSON document of build-engines and inspect."""
    engines = [
        {
            **engine.model_dump(mode="json", exclude={"calibration", "file"}),
            "bytes": bundle.path(engine.file).stat().st_size,
            **facts(engine.calibration),
        }
        for engine in bundle.manifest.engines
    ]
    return {
        "bundle": str(bundle.folder),
        "sha256": bundle.sha256,
        "signed_by": bundle.signed_by,
        "engines": engines,
        "refused": [one.model_dump(mode="json") for one in bundle.manifest.refused],
    }
