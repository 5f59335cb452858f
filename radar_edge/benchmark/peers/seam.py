"""What goes in and out of this folder's two scripts: a job in JSON, progress, refusals, whole files.

The scripts run in an environment of their own, where radar_edge is not installed, so they share nothing with it but
these documents. The standard library alone; knows no method.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

USER, ENVIRONMENT = 2, 3
METHODS = ("patchcore", "padim", "stpm", "cutpaste", "draem", "efficientad")
PACKAGES = ("anomalib", "torch", "torchvision")
STRIDE_PX = 32
"""DRAEM halves an image five times, and doubles it again."""
LEAST_SIZE_PX = 64
LEAST_TRAIN = 2
"""No covariance without two images."""
TICK_S = 1.0

Progress = Callable[[int, int, str], None]


class RefusalError(Exception):
    """Ends the script with `code`, and one JSON line on stderr: what was found, what was wanted, what to do next."""

    def __init__(self, code: int, error: str, *, found: object, wanted: str, next_step: str) -> None:
        super().__init__(error)
        self.code = code
        self.line = json.dumps({"error": error, "found": str(found), "wanted": wanted, "next_step": next_step})


@dataclass(frozen=True)
class Job:
    """What judge.py is asked for. `steps` bounds a training, None is the method's own length."""

    method: str
    size_px: int
    steps: int | None
    seed: int
    train: tuple[Path, ...]
    score: tuple[Path, ...]
    weights: Path | None
    model: Path
    out: Path

    def identity(self) -> dict[str, Any]:
        """What a fitted model depends on, for a model folder to be known again."""
        images = "\n".join(f"{path} {path.stat().st_size}" for path in self.train)
        return {
            "method": self.method,
            "size_px": self.size_px,
            "steps": self.steps,
            "seed": self.seed,
            "train": hashlib.sha256(images.encode()).hexdigest(),
            "weights": None if self.weights is None else sha256_file(self.weights),
        }


def bad_job(error: str, found: object, wanted: str) -> RefusalError:
    return RefusalError(USER, error, found=found, wanted=wanted, next_step="correct the job")


def read_document(arguments: list[str]) -> dict[str, Any]:
    """The JSON object in the one file that the script is given. Raises RefusalError."""
    if len(arguments) != 1:
        raise bad_job("one argument is wanted", " ".join(arguments) or "none", "the path of a job in JSON")
    try:
        document = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad_job(f"cannot read the job {arguments[0]}", error, "a job in JSON") from error
    if not isinstance(document, dict):
        raise bad_job("the job is not an object", type(document).__name__, "an object in JSON")
    return document


def expect_keys(document: dict[str, Any], keys: set[str]) -> None:
    if set(document) != keys:
        raise bad_job("the job's keys are wrong", ", ".join(sorted(document)), ", ".join(sorted(keys)))


def integer(document: dict[str, Any], key: str, least: int) -> int:
    value = document[key]
    if type(value) is not int or value < least:
        raise bad_job(f"{key} is wrong", value, f"a whole number from {least}")
    return value


def size_px(document: dict[str, Any]) -> int:
    side = integer(document, "size_px", LEAST_SIZE_PX)
    if side % STRIDE_PX:
        raise bad_job("size_px is wrong", side, f"a multiple of {STRIDE_PX}")
    return side


def text(document: dict[str, Any], key: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not value:
        raise bad_job(f"{key} is wrong", value, "a text")
    return value


def images(document: dict[str, Any], key: str, least: int) -> tuple[Path, ...]:
    value = document[key]
    if not isinstance(value, list) or len(value) < least or not all(isinstance(path, str) for path in value):
        raise bad_job(f"{key} is wrong", value, f"a list of at least {least} image paths")
    paths = tuple(Path(path) for path in value)
    absent = [path for path in paths if not path.is_file()]
    if absent:
        raise bad_job(f"{len(absent)} images of {key} are not there", absent[0], "image files")
    return paths


def job(document: dict[str, Any]) -> Job:
    """Raises RefusalError at the first fault."""
    expect_keys(document, {"method", "size_px", "steps", "seed", "train", "score", "weights", "model", "out"})
    if document["method"] not in METHODS:
        raise bad_job("no such method", document["method"], ", ".join(METHODS))
    weights = None if document["weights"] is None else Path(text(document, "weights"))
    if weights is not None and not weights.is_file():
        raise bad_job("the weights are not there", weights, "a file, or null for the packaged ones")
    return Job(
        method=document["method"],
        size_px=size_px(document),
        steps=None if document["steps"] is None else integer(document, "steps", 1),
        seed=integer(document, "seed", 0),
        train=images(document, "train", LEAST_TRAIN),
        score=images(document, "score", 1),
        weights=weights,
        model=Path(text(document, "model")),
        out=Path(text(document, "out")),
    )


def progress_lines() -> Progress:
    """A reporter of one JSON line on stdout, at most one a second but for the last of each kind of work."""
    last = {"at": float("-inf")}

    def report(done: int, of: int, what: str) -> None:
        now = time.monotonic()
        if done == of or now - last["at"] >= TICK_S:
            last["at"] = now
            print(json.dumps({"done": done, "of": of, "what": what}), flush=True)  # noqa: T201

    return report


def run(work: Callable[[list[str]], None]) -> int:
    """The script's exit code. Anything that is not a refusal is a bug of ours and keeps its traceback."""
    # Libraries warn of each other, and a bar of theirs moves, on stderr, where a refusal is one line.
    warnings.simplefilter("ignore")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        work(sys.argv[1:])
    except RefusalError as refusal:
        print(refusal.line, file=sys.stderr, flush=True)  # noqa: T201
        return refusal.code
    return 0


def lacking(error: ImportError) -> RefusalError:
    return RefusalError(
        ENVIRONMENT,
        "a package is not installed",
        found=str(error),
        wanted="the packages of constraints/bench.txt",
        next_step="make venv-bench, and run the Python in it",
    )


def versions(*more: str) -> dict[str, str]:
    """Of Python and the packages that make the scores."""
    return {"python": platform.python_version()} | {name: version(name) for name in (*PACKAGES, *more)}


def sha256_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """`fill` writes into a file beside `path` that replaces it: a reader never meets half of one."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise RefusalError(
            ENVIRONMENT,
            f"cannot write {path}",
            found=error.strerror,
            wanted="a folder to write in",
            next_step="check the disk's space and rights",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: Path, document: dict[str, Any]) -> None:
    line = json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
    write_whole(path, lambda stream: stream.write(line.encode()))
