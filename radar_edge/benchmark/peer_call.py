"""How an external detector is run and what it leaves: `BENCH_PYTHON -u peers/judge.py JOB.json`. Knows no detector.

Their packages are not the product's, so they run in an environment of their own. JOB.json:

    method, size_px, steps (or null), seed, train (paths), score (paths), weights (path or null),
    model (folder where the fitted model is kept), out (the file for the Answer)

Each line of JSON on stdout with done, of and what is progress. Exit code 2 or 3 comes with a line of JSON on stderr:
error, found, wanted, next_step.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from radar_edge.benchmark.scored import small_map
from radar_edge.errors import MachineError, UsageError
from radar_edge.evaluation.evaluate import Progress

JUDGE = Path(__file__).parent / "peers" / "judge.py"
ERROR_KINDS: dict[int, type[UsageError | MachineError]] = {2: UsageError, 3: MachineError}


class Answer(BaseModel):
    """What the script leaves in the file `out`. `maps`: a .npy of float32 `[N, H, W]`, or null."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    scores: tuple[float, ...] = Field(description="one a score path, in their order, higher = more anomalous")
    maps: str | None
    fit_seconds: float
    score_seconds: float
    cpu_seconds: float
    versions: dict[str, str]
    parameters: int


def call(python: Path, script: Path, job: Path, stage: str, progress: Progress) -> None:
    """Run the script on a job and pass its progress on. Raises UsageError or MachineError as the script says."""
    check_python(python)
    errors = job.with_name("stderr.txt")
    with (
        errors.open("w", encoding="utf-8") as stderr,
        subprocess.Popen(
            [str(python.absolute()), "-u", str(script), str(job.absolute())],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                step = as_object(line)
                if step.keys() >= {"done", "of", "what"}:
                    progress(f"{stage}: {step['what']}", step["done"], step["of"])
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise failure(process.returncode, errors.read_text(encoding="utf-8", errors="replace"), stage)


def check_python(python: Path) -> None:
    """Raises MachineError without the environment of the external detectors."""
    if not python.is_file():
        raise MachineError(
            "the external detectors have an environment of their own, and it is not there",
            found=f"no {python}",
            wanted="its Python",
            next_step="make venv-bench, name another with --bench-python, or say --method radar",
        )


def as_object(line: str) -> dict[str, Any]:
    """A line of JSON; what else a library prints is empty."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def failure(code: int, stderr: str, stage: str) -> Exception:
    said = next((found for line in reversed(stderr.splitlines()) if "error" in (found := as_object(line))), None)
    if said is not None and code in ERROR_KINDS:
        return ERROR_KINDS[code](
            f"{stage}: {said['error']}",
            found=said.get("found"),
            wanted=said.get("wanted"),
            next_step=said.get("next_step"),
        )
    return MachineError(
        f"{stage}: the external detector ended with {code}",
        found="; ".join(stderr.splitlines()[-3:]) or "nothing on stderr (a negative code is a signal: out of memory?)",
        next_step="run the same command again: what is finished is kept",
    )


def read_answer(path: Path, count: int) -> Answer:
    """Raises RuntimeError if the script breaks its promise."""
    try:
        answer = Answer.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise RuntimeError(f"{path} is not what the script of the external detectors promises: {error}") from error
    if len(answer.scores) != count:
        raise RuntimeError(f"{path} has {len(answer.scores)} scores for {count} images")
    return answer


def read_maps(path: Path, count: int) -> npt.NDArray[np.float32]:
    """`[N, MAP_SIDE, MAP_SIDE]`"""
    maps = np.load(path, mmap_mode="r", allow_pickle=False)
    if maps.ndim != 3 or len(maps) != count:
        raise RuntimeError(f"{path} holds maps {maps.shape} of {count} images")
    return np.stack([small_map(one) for one in maps])
