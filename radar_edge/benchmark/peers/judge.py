"""Fits a published method on good images and scores others, in an environment that has anomalib: `judge.py JOB.json`.

    job   {"method", "size_px", "steps", "seed", "train": [paths], "score": [paths], "weights", "model", "out"}
    out   {"scores": one a path of "score", higher = more anomalous, "maps": null | .npy float32 [N, H, W],
           "fit_seconds", "score_seconds", "cpu_seconds", "versions", "parameters"}

A fit that stands finished in the folder `model` is used again; one that was cut off goes on. Lines of progress go to
stdout. Exit code 2: the job or an image is wrong; 3: the environment lacks something; both with one JSON line on
stderr. Knows neither labels nor thresholds, and does not import radar_edge, which is not installed there.
"""

from __future__ import annotations

import os
import sys

import seam


def judge(arguments: list[str]) -> None:
    job = seam.job(seam.read_document(arguments))
    try:
        import torch
        from judging import fitted, scored
        from methods import METHODS
    except ImportError as error:
        raise seam.lacking(error) from error
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    report = seam.progress_lines()
    torch.manual_seed(job.seed)
    method = METHODS[job.method](job.weights)
    spent = fitted(job, method, report)
    document = scored(job, method, report)
    document["fit_seconds"] = spent["fit_seconds"]
    document["cpu_seconds"] += spent["cpu_seconds"]
    seam.write_json(job.out, document)


if __name__ == "__main__":
    sys.exit(seam.run(judge))
