from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from radar_edge.clock import NS_PER_S
from radar_edge.web.overlay import overlay
from radar_edge.web.scene import Scene


def message(header: object, data: bytes = b"") -> bytes:
    return json.dumps(header).encode() + b"\n" + data


def test_the_newest_of_each_kind_is_kept() -> None:
    scene = Scene()
    for part in (1, 2):
        scene.take(message({"kind": "state", "state": {"at_ns": part}}))
        scene.take(message({"kind": "image", "modality": "rgb", "part": part}, b"jpeg\n%d" % part))
        scene.take(message({"kind": "heat", "modalities": ["rgb"], "part": part}, b"png"))
    document = scene.document(2)
    assert document["state"] == {"at_ns": 2}
    assert document["images"]["rgb"]["part"] == document["heat"]["part"] == 2
    assert scene.images["rgb"].data == b"jpeg\n2"
    assert document["images"]["rgb"]["version"] != document["heat"]["version"]


def test_an_old_state_is_not_fresh() -> None:
    scene = Scene()
    assert not scene.fresh(0)
    scene.take(message({"kind": "state", "state": {"at_ns": 5 * NS_PER_S}}))
    assert scene.fresh(6 * NS_PER_S)
    assert not scene.fresh(7 * NS_PER_S)


@pytest.mark.parametrize(
    "bad",
    [b"", b"\n", b"{", b"\xff\xfe", b"[]\n", message({"kind": "state", "state": 5}), message({"kind": "image"}),
     message({"kind": "state", "state": {}}), message({"kind": "state", "state": {"at_ns": None}})],
)  # fmt: skip
def test_what_cannot_be_read_is_counted(bad: bytes) -> None:
    scene = Scene()
    scene.take(bad)
    assert scene.unreadable == 1


def test_the_overlay_is_clear_below_and_edged_at_the_threshold() -> None:
    level = np.zeros((32, 32), np.uint8)
    level[8:24, 8:24] = 200
    level[0, 0] = 100
    shown = cv2.imdecode(np.frombuffer(overlay(cv2.imencode(".png", level)[1].tobytes()), np.uint8), -1)
    assert shown[30, 30, 3] == 0
    assert 0 < shown[0, 0, 3] < shown[16, 16, 3]
    assert shown[8, 16].tolist() == [255, 255, 255, 230]
