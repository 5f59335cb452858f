"""An image folder of a few noisy parts and a run folder of an untrained RADAR that held most of them out."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from radar_edge.bundle import Signer, create_key
from radar_edge.export.build import Result, build_bundle, open_workshop
from radar_edge.models.radar import Radar, RadarConfig
from radar_edge.preprocess import ModalityPreprocess, Preprocess, write_png
from radar_edge.training.checkpoint import save_run

SIZE = 32
HELD_OUT = tuple(f"train/good/{i:03}" for i in range(4, 24))


def write_data(folder: Path, lacking_tir: Sequence[int] = ()) -> Path:
    """24 good parts, RGB of 8 bit and TIR of 16 bit."""
    rng = np.random.default_rng(0)
    for i in range(24):
        rgb = rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)
        tir = rng.integers(29000, 31000, (40, 40), dtype=np.uint16)
        write_png(folder / "train/good/rgb" / f"{i:03}.png", rgb)
        if i not in lacking_tir:
            write_png(folder / "train/good/tir" / f"{i:03}.png", tir)
    return folder


def make_hostile(model: Radar, name: str) -> None:
    """Scale one channel between two layers of a modality 1000 times, and undo it in the second.

    The function stays what it was; one range for all channels no longer fits.
    """
    before, after = model.encoders[name].fine
    with torch.no_grad():
        before[1].weight[0] *= 1000
        before[1].bias[0] *= 1000
        after[0].weight[:, 0] /= 1000


def make_hopeless(model: Radar, name: str) -> None:
    """Give every activation of a modality a channel of 10,000 that no layer reads: nothing is left of the others."""
    one = model.encoders[name]
    half, deep = model.config.features // 2, 2 * model.config.features
    joined, head = model.join[name], model.head[0]
    readers = {
        one.fine[0]: [(one.fine[1], 0)],
        one.fine[1]: [(one.down, 0), (one.unusual, 0), (one.evidence, 2 * half)],
        one.down: [(one.context[0], 0)],
        one.context[0]: [(one.context[1], 0)],
        one.context[1]: [(one.widen[0], 0), (one.join, 0)],
        one.widen[0]: [(one.widen[1], 0)],
        one.widen[1]: [(one.join, deep)],
        one.join: [(one.decode_8, 0), ([model.alignment.project[name]], 0)],
        one.decode_8: [(one.decode_4, 0)],
        one.evidence: [(joined, 0)],
        joined: [(head, 0), (model.fusion.attend[name], 0)],
    }
    with torch.no_grad():
        for block, after in readers.items():
            block[1].bias[0] = 1e4
            for reader, channel in after:
                reader[0].weight[:, channel] = 0


def write_run(
    folder: Path, held_out: Sequence[str] = HELD_OUT, change: Callable[[Radar], None] = lambda _: None
) -> Path:
    preprocess = Preprocess(
        modalities={
            "rgb": ModalityPreprocess(
                channels=3, bit_depth=8, height=SIZE, width=SIZE, offset=(127.0,) * 3, scale=(64.0,) * 3
            ),
            "tir": ModalityPreprocess(
                channels=1, bit_depth=16, height=SIZE, width=SIZE, offset=(3e4,), scale=(500.0,), median_channel=100.0
            ),
        }
    )
    torch.manual_seed(0)
    config = RadarConfig(channels={"rgb": 3, "tir": 2}, height=SIZE, width=SIZE, features=8, shared=8)
    document = {
        "config": {"seed": 5},
        "modalities": ["rgb", "tir"],
        "model": config.model_dump(mode="json"),
        "preprocess": preprocess.model_dump(mode="json"),
        "held_out": list(held_out),
        "data_sha256": "d" * 64,
    }
    model = Radar(config)
    for texture in model.texture.values():
        # Filters unlike each other, as those of good parts are, and a distance that says nothing.
        for level in range(4):
            texture.filters(level).normal_()
        texture.whiten.zero_()
    change(model)
    save_run(folder, model, document)
    return folder


@dataclass(frozen=True, eq=False)
class Made:
    """What `write_run` and `write_data` give, and the bundle of them. Tests change a copy."""

    run: Path
    """With `build`, the results of the stages, and `calibration`, the ranges."""
    data: Path
    signer: Signer
    stages: tuple[tuple[str, int, int], ...]
    """What the progress was told."""
    result: Result


@cache
def made() -> Made:
    """Once for all tests, because it takes as long as all else that they do with it."""
    folder = Path(tempfile.mkdtemp(prefix="radar-edge-small-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run, data = write_run(folder / "run"), write_data(folder / "data")
    signer, stages = create_key(folder / "keys"), list[tuple[str, int, int]]()
    shop = open_workshop(run, data, progress=lambda *step: stages.append(step))
    result = build_bundle(shop, folder / "bundle", target_frr=0.05, signer=signer)
    return Made(run, data, signer, tuple(stages), result)
