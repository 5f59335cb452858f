"""The tables of docs/engines.md from what tools/bench_engines.py printed, one JSON document a line.

tools/engine_results.py docs/results/engines.jsonl
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COSTS = "| set | engine | MACs | of them the texture | latency, 1 thread | AUROC loss | AUPRO@0.3 loss |"
GATES = (
    "| set | engine | AUROC loss | AUPRO@0.3 loss | correlation of maps | decided differently | in INT8 "
    "| back to FP16 by the gate | of the texture in INT8 | beyond a range, at most |"
)
AT_THE_GATE = (
    "At the gate, on held-out good parts and corrupted copies of them; `in INT8` counts convolutions, `of the "
    "texture` counts its filters and matrix products, `beyond a range` is the share of the worst tensor's values:"
)


def tables(path: Path) -> str:
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    costs = [row(one, name) for one in found for name in one["cost"]]
    gates = [gate_row(one, name) for one in found for name in one["gates"]]
    sentences = [f"- {sentence(one)}" for one in found]
    return "\n".join([*table(COSTS, costs), *sentences, "", AT_THE_GATE, "", *table(GATES, gates)])


def table(header: str, rows: list[str]) -> list[str]:
    return [header, "| --- " * (header.count("|") - 1) + "|", *rows, ""]


def row(one: dict[str, Any], name: str) -> str:
    slug, _, precision = name.rpartition("_")
    cost = one["cost"][name]
    measured = one["precision"].get(precision, {}).get(slug, {})
    share = cost["latency_share"]
    latency = f"{cost['p50_ms']:.1f} ms" + (f" ({share:.0%})" if share is not None else "")
    losses = " | ".join(loss(measured.get(key)) for key in ("image_auroc", "aupro_030"))
    macs = f"{cost['mac_share']:.0%} | {cost['texture_mac_share']:.0%}"
    return f"| {one['set']} | {slug} {precision} | {macs} | {latency} | {losses} |"


def gate_row(one: dict[str, Any], name: str) -> str:
    slug, _, precision = name.rpartition("_")
    gate = one["gates"][name]
    judged = f"{gate['auroc_loss']:+.4f} | {gate['aupro_loss']:+.4f} | {gate['map_correlation']:.4f}"
    rounded = "- | - | - | -"
    if precision == "int8":
        layers = one["rounding"][slug]
        whole = layers["int8"] + layers["few_channels"] + layers["by_gate"]
        texture = f"{layers['texture'].get('int8', 0)} of {sum(layers['texture'].values())}"
        rounded = f"{layers['int8']} of {whole} | {layers['by_gate']} | {texture} | {layers['saturated']:.3%}"
    return f"| {one['set']} | {slug} {precision} | {judged} | {gate['flipped']:.1%} | {rounded} |"


def loss(found: dict[str, Any] | None) -> str:
    if found is None or found["loss"] is None:
        return "-"
    low, high = found["ci"]
    return f"{found['loss']:+.4f} [{low:+.4f}, {high:+.4f}]"


def sentence(one: dict[str, Any]) -> str:
    masked = max(max(r["max_map"], r["max_score"]) for r in one["specialised"].values())
    foreign = sum(r["foreign_bytes"] for r in one["specialised"].values())
    scores = max(r["max_score"] for r in one["parity"].values())
    turned = sum(len(r["decided_differently"]) for r in one["parity"].values())
    compiled = one["compiled"].values()
    twice = sum(c["same_twice"] for c in compiled)
    return (
        f"{one['set']} at {one['input_px']} px: built in {one['seconds']:.0f} s; specialised graphs differ from the "
        f"masked one by at most {masked:.1e}, {foreign} bytes of absent modalities; PyTorch and bundle differ by at "
        f"most {scores:.1e} in score on {one['test_parts']} test parts, {turned} decided differently; "
        f"{len(compiled)} graphs compile with TensorRT-RTX, {twice} to the same plan twice."
    )


if __name__ == "__main__":
    print(tables(Path(sys.argv[1])), end="")
