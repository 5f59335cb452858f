"""A method fitted and asked: its model folder, its scores, what both took. Knows no argument and no exit code.

The folder holds fit.json, what was asked for and whether it is finished, and state.pt, the fitted model.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import torch
from backbones import count
from methods import Method
from pictures import read_batch
from seam import USER, Job, Progress, RefusalError, versions, write_json, write_whole
from training import PART, Fit, seed_all

SCORE_BATCH = 8
FIT, STATE = "fit.json", "state.pt"


def fitted(job: Job, method: Method, report: Progress) -> dict[str, Any]:
    """Fits the method, or loads what the folder holds; what the fit took. Raises RefusalError."""
    note = standing(job)
    if note["done"]:
        method.model.load_state_dict(torch.load(job.model / STATE, map_location="cpu", weights_only=True))
        return note
    begun, cpu = time.monotonic(), time.process_time()

    def spend(*, done: bool) -> dict[str, Any]:
        took = {"fit_seconds": time.monotonic() - begun, "cpu_seconds": time.process_time() - cpu}
        return note | {"done": done} | {key: note[key] + value for key, value in took.items()}

    write_json(job.model / FIT, note)
    seed_all(job.seed, 0)
    method.fit(Fit(job, report, lambda: write_json(job.model / FIT, spend(done=False))))
    write_whole(job.model / STATE, lambda stream: torch.save(method.model.state_dict(), stream))
    write_json(job.model / FIT, finished := spend(done=True))
    (job.model / PART).unlink(missing_ok=True)
    return finished


def standing(job: Job) -> dict[str, Any]:
    """What the model's folder says, or a new note. Raises RefusalError if it is of another job."""
    fresh = {"identity": job.identity(), "done": False, "fit_seconds": 0.0, "cpu_seconds": 0.0}
    path = job.model / FIT
    if not path.is_file():
        return fresh
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        known = note["identity"] == fresh["identity"] and set(note) == set(fresh)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise RefusalError(
            USER,
            f"{job.model} holds a fit of another job",
            found=str(path),
            wanted="the same method, size, steps, seed, training images and weights",
            next_step="name another folder",
        )
    return note  # type: ignore[no-any-return]


def scored(job: Job, method: Method, report: Progress) -> dict[str, Any]:
    """The document but for what the fit took. Raises RefusalError if a score is no number."""
    begun, cpu = time.monotonic(), time.process_time()
    method.model.eval()
    scores: list[float] = []
    found = []
    for start in range(0, len(job.score), SCORE_BATCH):
        with torch.no_grad():
            judged = method.model(method.prepare(read_batch(job.score[start : start + SCORE_BATCH], job.size_px)))
        scores.extend(float(score) for score in judged.pred_score)
        if judged.anomaly_map is not None:
            found.append(judged.anomaly_map.reshape(-1, job.size_px, job.size_px).numpy())
        report(len(scores), len(job.score), "scored images")
    lost = [path for path, score in zip(job.score, scores, strict=True) if not math.isfinite(score)]
    if lost:
        raise RefusalError(
            USER,
            f"{len(lost)} images have no score",
            found=str(lost[0]),
            wanted="finite scores",
            next_step="another seed, or more training images",
        )
    where = None
    if found:
        where = job.out.with_suffix(".maps.npy")
        write_whole(where, lambda stream: np.save(stream, np.concatenate(found).astype(np.float32)))
    return {
        "scores": scores,
        "maps": None if where is None else str(where),
        "score_seconds": time.monotonic() - begun,
        "cpu_seconds": time.process_time() - cpu,
        "versions": versions() | {"backbone": method.backbone, "weights": method.weights},
        "parameters": count(method.model),
    }
