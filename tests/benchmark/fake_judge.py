"""A script with the promise of radar_edge/benchmark/peers/judge.py, in milliseconds: how far an image is from the mean.

FAKE_JUDGE=2|3|crash|die makes it refuse, fail, or be killed after its fit; "wait METHOD" makes that one's fit last.
FAKE_JUDGE_LOG names a file that gets a line for each fit and each scoring.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np


def log(what: str) -> None:
    if path := os.environ.get("FAKE_JUDGE_LOG"):
        with Path(path).open("a") as stream:
            stream.write(what + "\n")


def refuse(code: int, error: str, found: object = "this") -> None:
    line = {"error": error, "found": str(found), "wanted": "that", "next_step": "do it"}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.exit(code)


def read(path: str, side: int) -> np.ndarray:
    image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    if image is None:
        refuse(2, "an image cannot be read", path)
    return cv2.resize(image, (side, side)).astype(np.float32)


def say(done: int, of: int, what: str) -> None:
    sys.stdout.write(json.dumps({"done": done, "of": of, "what": what}) + "\n")
    sys.stdout.flush()


def fitted(job: dict[str, object]) -> np.ndarray:
    path = Path(job["model"]) / "mean.npy"
    if not path.is_file():
        log(f"fit {job['method']}")
        mean = np.mean([read(one, job["size_px"]) for one in job["train"]], axis=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, mean)
        say(1, 1, "fit")
        if os.environ.get("FAKE_JUDGE") == f"wait {job['method']}":
            while True:  # until whoever reads the progress is gone, which ends it with a broken pipe
                time.sleep(0.05)
                say(1, 1, "fit")
    return np.load(path)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    mode = os.environ.get("FAKE_JUDGE", "")
    if mode in ("2", "3"):
        refuse(int(mode), "no such thing")
    if mode == "crash":
        raise RuntimeError("out of luck")
    absent = [path for path in [*job["train"], *job["score"]] if not Path(path).is_file()]
    if absent:
        refuse(2, "an image is not there", absent[0])
    sys.stdout.write("a library says hello\n")
    began = time.monotonic()
    mean = fitted(job)
    if mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    log(f"score {job['method']}")
    maps = np.stack([np.abs(read(path, job["size_px"]) - mean) for path in job["score"]])
    say(len(maps), len(maps), "score")
    out = Path(job["out"])
    with_maps = job["method"] != "cutpaste"
    if with_maps:
        np.save(out.with_name("maps.npy"), maps.astype(np.float32))
    document = {
        "scores": [float(one.mean()) + (job["method"] == "padim") * float(one.max()) for one in maps],
        "maps": str(out.with_name("maps.npy")) if with_maps else None,
        "fit_seconds": 0.5,
        "score_seconds": time.monotonic() - began,
        "cpu_seconds": 36.0,
        "versions": {"fake": "1"},
        "parameters": mean.size,
    }
    part = out.with_name("scores.part")
    part.write_text(json.dumps(document))
    part.replace(out)


if __name__ == "__main__":
    main()
