"""The feed over a real socket: what arrives, and that nobody ever waits for a reader."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from radar_edge.clock import ManualClock
from radar_edge.modality import Subset
from radar_edge.preprocess import ModalityPreprocess, Preprocess
from radar_edge.records import Code, Frame, Reason, Verdict
from radar_edge.runtime.feed import Feed
from radar_edge.runtime.pictures import heat_png, jpeg, shrink
from radar_edge.runtime.products import Product
from radar_edge.scoring import Calibration

RGB = ModalityPreprocess(channels=3, bit_depth=8, height=32, width=32, offset=(0.0,) * 3, scale=(255.0,) * 3)
TIR = ModalityPreprocess(channels=1, bit_depth=16, height=32, width=32, offset=(30000.0,), scale=(100.0,))
CALIBRATION = Calibration(
    scores=(1.0, 2.0, 3.0), weights=(1.0,) * 3, groups=3, target_frr=0.3, threshold=4.0, ng_frr=0.3, ng_threshold=5.0
)
SUBSET = Subset(("rgb", "tir"))
PRODUCT = Product(Preprocess(modalities={"rgb": RGB, "tir": TIR}), {SUBSET: CALIBRATION}, lambda _: {})
VERDICT = Verdict(7, Code.REJECT, Reason.ANOMALY, SUBSET)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "feed"))
        bound.settimeout(20)
        yield bound


def frames(tir: np.ndarray | None = None) -> dict[str, Frame]:
    rgb = np.full((600, 960, 3), (255, 0, 0), np.uint8)
    tir = np.full((48, 64), 30000, np.uint16) if tir is None else tir
    return {"rgb": Frame("rgb", rgb, "a", 1, 1, 7), "tir": Frame("tir", tir, "b", 1, 1, 7)}


def received(reader: socket.socket) -> tuple[dict, bytes]:
    head, _, data = reader.recv(1 << 20).partition(b"\n")
    return json.loads(head), data


def test_a_part_arrives_as_pictures(reader: socket.socket, tmp_path: Path) -> None:
    with Feed(tmp_path / "feed", ManualClock(10**12)) as feed:
        feed.offer(3, VERDICT, frames(), np.full((1, 1, 32, 32), 4.0, np.float32), PRODUCT)
        rgb, tir, heat = (received(reader) for _ in range(3))
    assert rgb[0] == {"kind": "image", "modality": "rgb", "camera": "a", "part": 3, "code": "REJECT"}
    image = cv2.imdecode(np.frombuffer(rgb[1], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (300, 480, 3)
    assert image[5, 5].argmax() == 2  # BGR: red stays red
    assert tir[0]["modality"] == "tir"
    assert heat[0] == {"kind": "heat", "subset": "rgb_tir", "modalities": ["rgb", "tir"], "part": 3, "code": "REJECT"}
    assert cv2.imdecode(np.frombuffer(heat[1], np.uint8), 0)[0, 0] == 128


def test_not_every_part_is_shown(reader: socket.socket, tmp_path: Path) -> None:
    clock = ManualClock(10**12)
    with Feed(tmp_path / "feed", clock) as feed:
        for part in (1, 2):
            feed.offer(part, VERDICT, frames(), None, PRODUCT)
        clock.advance_ms(400)
        assert [received(reader)[0]["part"] for _ in range(2)] == [1, 1]
        feed.offer(3, VERDICT, frames(), None, PRODUCT)
        assert received(reader)[0]["part"] == 3


def test_nobody_waits_for_a_reader_that_is_stopped_or_gone(reader: socket.socket, tmp_path: Path) -> None:
    with Feed(tmp_path / "feed", ManualClock(10**12)) as feed:
        began = time.monotonic()
        for number in range(2000):
            feed.state({"number": number, "text": "x" * 1000})
        assert feed.dropped > 1000
        assert time.monotonic() - began < 10  # a single wait would be for ever
        assert received(reader)[0]["state"]["number"] == 0
    with Feed(tmp_path / "nowhere", ManualClock(10**12)) as feed:
        feed.state({})
        assert feed.dropped == 1


def test_a_state_too_large_for_the_socket_is_dropped(reader: socket.socket, tmp_path: Path) -> None:
    with Feed(tmp_path / "feed", ManualClock()) as feed:
        feed.state({"text": "x" * 500_000})
        assert feed.dropped == 1


def test_warmer_is_brighter_by_a_fixed_window() -> None:
    levels = [cv2.imdecode(np.frombuffer(jpeg(np.full((8, 8), t, np.uint16), TIR), np.uint8), 0).mean() for t in
              (29_000, 29_900, 30_000, 30_100, 31_000)]  # fmt: skip
    assert levels[0] < 5
    assert levels == sorted(levels)
    assert levels[2] == pytest.approx(127.5, abs=2)
    assert levels[4] > 250


def test_the_cut_out_part_is_shown() -> None:
    image = np.zeros((100, 100), np.uint8)
    image[50:, 50:] = 200
    spec = ModalityPreprocess(
        channels=1, bit_depth=8, height=32, width=32, offset=(0.0,), scale=(1.0,), crop=(60, 60, 30, 20)
    )
    shown = cv2.imdecode(np.frombuffer(jpeg(image, spec), np.uint8), 0)
    assert shown.shape == (30, 20)
    assert shown.min() > 190


def test_heat_counts_from_the_median_good_part_to_the_threshold() -> None:
    logits = np.array([[-5.0, 2.0], [3.0, 9.0]], np.float32)[None, None]
    heat = cv2.imdecode(np.frombuffer(heat_png(logits, CALIBRATION), np.uint8), 0)
    assert heat.tolist() == [[0, 0], [64, 255]]
    assert shrink(np.zeros((10, 1000), np.uint8), 100).shape == (1, 100)
