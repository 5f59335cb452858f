"""Which patches PatchCore keeps: greedy k-centre selection (Sener and Savarese, ICLR 2018; Roth et al., CVPR 2022).

anomalib's own first projects the features to several hundred dimensions, which for MobileNetV2's 128 makes a
selection slower and no closer to what it approximates: here the distances are those of the features themselves.
"""

from __future__ import annotations

import torch
from seam import Progress

WHAT = "patches kept"


def k_centres(features: torch.Tensor, count: int, seed: int, report: Progress) -> torch.Tensor:
    """Rows `[count]` of `features` `[N, D]`: a random first one, then always the farthest from those taken."""
    generator = torch.Generator().manual_seed(seed)
    norms = features.square().sum(1)
    taken = torch.empty(count, dtype=torch.int64)
    taken[0] = torch.randint(len(features), (1,), generator=generator)
    nearest = torch.full_like(norms, float("inf"))
    for turn in range(1, count):
        centre = features[taken[turn - 1]]
        # Squared distances: |x|^2 - 2 x.c + |c|^2, one matrix-vector product a turn.
        nearest = torch.minimum(nearest, norms - 2 * (features @ centre) + centre.square().sum())
        nearest[taken[turn - 1]] = -1
        taken[turn] = nearest.argmax()
        report(turn, count, WHAT)
    report(count, count, WHAT)
    return taken
