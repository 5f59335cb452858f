"""Makes golden.npz and golden.json: small maps and masks, and what anomalib's own metrics say of them.

Run in an environment of its own:  pip install anomalib==2.7.0; python make.py
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import torch
from anomalib.metrics.aupr import _AUPR
from anomalib.metrics.aupro import _AUPRO
from anomalib.metrics.auroc import _AUROC
from anomalib.metrics.f1_score import _F1Max

HERE = Path(__file__).parent
SIDE, COUNT = 64, 24


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Maps in [0, 1] `[N, H, W]`, warmer over up to three regions in two of three; masks."""
    rng = np.random.default_rng(7)
    maps, masks = rng.normal(size=(COUNT, SIDE, SIDE)), np.zeros((COUNT, SIDE, SIDE), bool)
    for i in range(COUNT):
        for size in (3, 6, 14)[: i % 3 + (i % 3 > 0)]:
            y, x = rng.integers(0, SIDE - size, 2)
            masks[i, y : y + size, x : x + size] = True
    maps += masks * rng.choice([0.3, 1.0, 1.6], COUNT)[:, None, None]
    return (1 / (1 + np.exp(-maps))).astype(np.float16), masks


def value(metric: torch.nn.Module, scores: torch.Tensor, labels: torch.Tensor) -> float:
    metric.update(scores, labels)
    return float(metric.compute())


if __name__ == "__main__":
    maps, masks = drawn()
    heat, truth = torch.from_numpy(maps.astype(np.float32)), torch.from_numpy(masks).int()
    scores = heat.flatten(1).topk(8).values.mean(1)
    labels = truth.flatten(1).amax(1)
    found = {
        "anomalib": importlib.metadata.version("anomalib"),
        "image_auroc": value(_AUROC(), scores, labels),
        "image_aupr": value(_AUPR(), scores, labels),
        "image_f1_max": value(_F1Max(), scores, labels),
        "pixel_auroc": value(_AUROC(), heat.flatten(), truth.flatten()),
        "aupro_030": value(_AUPRO(fpr_limit=0.30), heat, truth),
        "aupro_005": value(_AUPRO(fpr_limit=0.05), heat, truth),
    }
    np.savez_compressed(HERE / "golden.npz", maps=maps, masks=np.packbits(masks), scores=scores.numpy())
    (HERE / "golden.json").write_text(json.dumps(found, indent=1) + "\n")
