"""Markdown of the documents of speed and size. Measures nothing."""

from __future__ import annotations

from typing import Any

from radar_edge.benchmark.contenders import BASELINE, RADAR, RUNNER

Document = dict[str, Any]


def speed_sentence(found: Document) -> str:
    """Where and how it was measured."""
    before, after = found["load_average"]
    return (
        f"Measured {found['date']}: {found['cpu']}, {found['cores']} cores, ONNX Runtime {found['onnxruntime']} on the "
        f"CPU, batch 1, {found['input_px']} px, {found['rounds']} rounds. The load "
        f"average of the last minute was {before} before and {after} after, on {found['cores']} cores."
    )


def ratio_sentences(found: Document, threads: int = 1) -> list[str]:
    """One a baseline: how many times as long as the reference it takes, in the same rounds."""
    name, precision, _ = found["reference"]
    return [
        f"- {row['name']} takes {times(row['ratio'])} times as long as {name} {precision.upper()} with "
        f"{many(threads)}, and {times(row['cpu_ratio'])} times the processor's time; slower in "
        f"{row['slower_in']:.0%} of {row['n']} rounds."
        for row in found["rows"]
        if row["threads"] == threads and kind_of(found, row) == BASELINE
    ]


def many(threads: int) -> str:
    return f"{threads} thread" if threads == 1 else f"{threads} threads"


def model_table(found: Document) -> list[str]:
    lines = [
        "| network | what | numbers, M | GMAC | file, MiB | memory, MiB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in found["models"]:
        memory = "-" if one["memory_mib"] is None else f"{one['memory_mib']:.0f}"
        sizes = f"{one['parameters'] / 1e6:.2f} | {one['gmac']:.2f} | {one['file_mib']:.1f} | {memory}"
        lines.append(f"| {shown(one)} | {one['about'].get('what', 'RADAR')} | {sizes} |")
    return lines


def latency_table(found: Document, threads: int) -> list[str]:
    name, precision, _ = found["reference"]
    lines = [
        f"| network | n | p50 ms | p95 | p99 | times {name} {precision} | CPU ms | times {name} {precision} | roof |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        if row["threads"] == threads:
            latency = " | ".join(f"{row['latency_ms'][p]:.1f}" for p in ("p50", "p95", "p99"))
            roof = "-" if row["roofline_share"] is None else f"{row['roofline_share']:.0%}"
            cells = f"{latency} | {times(row['ratio'])} | {row['cpu_ms']:.1f} | {times(row['cpu_ratio'])} | {roof}"
            lines.append(f"| {shown(model_of(found, row))} | {row['n']} | {cells} |")
    return lines


def times(ratio: dict[str, float]) -> str:
    """Median, and 5th to 95th percentile of the rounds."""
    return f"{ratio['p50']:.2f} ({ratio['p5']:.2f} to {ratio['p95']:.2f})"


def size_table(found: Document) -> list[str]:
    lines = [
        "| subset | parameters | GMAC | of all: parameters | GMAC |",
        "| --- | --- | --- | --- | --- |",
    ]
    for slug, one in found["subsets"].items():
        shares = f"{one['parameters_share']:.1%} | {one['gmac_share']:.1%}"
        lines.append(f"| {slug} | {one['parameters']:,} | {one['gmac']:.3f} | {shares} |")
    return lines


def size_sentence(found: Document) -> str:
    bars = found["bars"]
    return (
        f"At {found['input_px'][0]} px. Bars: at most {bars['parameters'] / 1e6:.0f} M parameters and {bars['gmac']} "
        f"GMAC for all modalities together, at most {bars['share_of_one_modality']:.0%} of that for one."
    )


def speed_page(found: Document) -> str:
    """Sentences and tables of one measurement."""
    parts = [[speed_sentence(found)], ratio_sentences(found), model_table(found)]
    for threads in dict.fromkeys(row["threads"] for row in found["rows"]):
        peak = found["roofline_gmac_s"][str(threads)]
        title = f"With {many(threads)} (the roof: {peak:.0f} GMAC a second of the processor's):"
        parts += [[title], latency_table(found, threads)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def size_page(found: Document) -> str:
    return "\n\n".join([size_sentence(found), "\n".join(size_table(found))]) + "\n"


def shown(model: Document) -> str:
    return f"**{engine_of(model)}**" if model["kind"] == RADAR else str(model["name"])


def engine_of(model: Document) -> str:
    """Of one of ours: subset, precision, and the library where it is another than that of all."""
    library = "" if model["library"] == RUNNER else f" {model['library']}"
    return f"{model['name']} {model['precision']}{library}"


def kind_of(found: Document, row: Document) -> str:
    return str(model_of(found, row)["kind"])


def model_of(found: Document, row: Document) -> Document:
    """Of the row's file."""
    keys = ("name", "precision", "library")
    model: Document = next(one for one in found["models"] if all(one[key] == row[key] for key in keys))
    return model
