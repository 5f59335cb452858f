"""Judged parts and metrics for tests of the report; the metrics document as evaluate writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from small_set import rgb, square, tir

from radar_edge.data.layouts import Sample
from radar_edge.evaluation.evaluate import Judged
from radar_edge.evaluation.figures import AT_THRESHOLD, ORACLE, SEPARATION
from radar_edge.evaluation.overlap import MAP_SIDE
from radar_edge.modality import Subset
from radar_edge.preprocess import write_png

RGB, BOTH = Subset(("rgb",)), Subset(("rgb", "tir"))
FEW = ("image_auroc", "image_auroc_any", "aupro_030", "frr_at_threshold", "escape_at_threshold")


def part(
    folder: Path, cls: str, name: str, score: float, subset: Subset = BOTH, masked: bool = True, **more: Any
) -> Judged:
    paths = {"rgb": folder / f"{cls}_{name}_rgb.png", "tir": folder / f"{cls}_{name}_tir.png"}
    write_png(paths["rgb"], rgb(int(100 * score) % 997))
    write_png(paths["tir"], tir(int(100 * score) % 991))
    mask = None
    if cls != "good" and masked:
        mask = folder / f"{cls}_{name}_gt.png"
        write_png(mask, square())
    heat = np.full((MAP_SIDE, MAP_SIDE), score, np.float32)
    shares = np.stack([np.full((8, 8), share, np.float32) for share in (0.25, 0.75)]) if len(subset) == 2 else None
    return Judged(Sample("test", cls, name, paths, mask=mask, **more), score, heat, shares)


def parts(folder: Path, subset: Subset = BOTH) -> list[Judged]:
    hidden = part(folder, "void", "v0", 0.1, subset, visible_in=Subset(("tir",)), strata={"lamp": "<old>"})
    goods = [part(folder, "good", f"g{i}", i / 10, subset) for i in range(8)]
    return [hidden, *goods, *(part(folder, "hole", f"h{i}", 0.3 + i / 10, subset) for i in range(8))]


def figures(threshold: float = 0.55) -> dict[str, Any]:
    """What the first version of evaluate knew of a subset."""
    values: dict[str, Any] = {"threshold": threshold, "good": 8, "defects": 8, "defects_any": 9}
    for i, name in enumerate(FEW):
        values |= {name: 0.8 + 2 * i / 100, f"{name}_ci": (0.7, 0.9)}
    return values | {"aupro_005": None, "aupro_005_ci": None}


def full_figures() -> dict[str, Any]:
    promise = {"frr_bound": 0.084, "smallest_frr": 1 / 91, "calibration_groups": 90}
    values = figures() | {"ng_threshold": 0.65} | promise
    for named in (*SEPARATION, *AT_THRESHOLD, *ORACLE):
        values |= {named.key: 0.8, f"{named.key}_ci": (0.7, 0.9)}
    lamp = {"good": 4, "defects": 5, "image_auroc": 0.7, "image_auroc_ci": None, "frr_at_threshold": None}
    return values | {
        "strata": {"lamp": {"new": lamp, "<old>": lamp}},
        "baselines": {"rgb.std": {"image_auroc": 0.9}, "tir.highpass_std": {"image_auroc": 0.6}},
        "controls": {"background_brightness.rgb": {"image_auroc": 1.0}, "untrained": {"image_auroc": 0.5}},
        "beaten_by": [],
    }


def full_metrics() -> dict[str, Any]:
    """Everything that evaluate can say of the subsets rgb and rgb_tir, doubts included."""
    ways = {"calibrated": 0.9, "calibrated_ci": (0.8, 0.95), "raw": 0.8, "raw_ci": None, "placeholder": 0.6}
    alike = {"held_out_good": 90, "test_good": 90, "ks_p": 0.9, "verdict": "exchangeable", "differs": []}
    other = {**alike, "ks_p": None, "verdict": "not exchangeable", "differs": ["brightness of rgb"]}
    return {
        "subsets": {"rgb": full_figures() | {"beaten_by": ["rgb.std"]}, "rgb_tir": full_figures()},
        "leak": [{"modality": "rgb", "control": "background_brightness.rgb", "auroc": 1.0, "why": "Exposure differs."}],
        "missing": {"rows": [{"rate": r, "missing": m, **ways} for m in ("rgb", "tir", "both") for r in (0.3, 0.5)]},
        "exchangeable": {"rgb": alike, "rgb_tir": other},
        "target_frr": 0.05,
        "source": "run",
        "data": "set",
        "seconds": 12.0,
    }
