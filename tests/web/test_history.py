"""History and gallery against the real journal and evidence ring."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np

from radar_edge.clock import MonotonicClock
from radar_edge.config import EvidenceConfig
from radar_edge.modality import Subset
from radar_edge.records import Code, Frame, Reason, Verdict
from radar_edge.runtime.evidence import Evidence
from radar_edge.runtime.journal import Journal
from radar_edge.runtime.plc.link import Trigger
from radar_edge.web.gallery import newest, picture
from radar_edge.web.history import history, part_facts

NOW = datetime.now(timezone.utc)


def write_journal(path: Path) -> None:
    with Journal(path, MonotonicClock(), {}) as journal:
        for part, code in enumerate((Code.PASS, Code.PASS, Code.REJECT, Code.NO_DECISION), 1):
            journal.open_part(part, Trigger(part, 1))
            verdict = Verdict(part, code, Reason.GOOD, Subset(("rgb",)), degraded=code is Code.REJECT, score=0.5)
            journal.intent(part, verdict, 1)
            journal.sent(part, verdict, 12.0)
        journal.open_part(5, Trigger(5, 1))


def sums(found: dict) -> dict[str, int]:
    return {kind: sum(bar[kind] for bar in found["bars"]) for kind in ("pass", "reject", "no_decision", "degraded")}


def test_what_happened_of_late(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.sqlite")
    found = history(tmp_path / "journal.sqlite", 1, datetime.now(timezone.utc) + timedelta(seconds=1))
    assert sums(found) == {"pass": 2, "reject": 1, "no_decision": 1, "degraded": 1}
    assert sum(found["bars"][-1].values()) == 5
    assert found["complete"]


def test_what_is_older_is_not_looked_at(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.sqlite")
    found = history(tmp_path / "journal.sqlite", 1, datetime.now(timezone.utc) + timedelta(hours=2))
    assert sum(sums(found).values()) == 0


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    assert not history(tmp_path / "none.sqlite", 8, NOW)["complete"]
    (tmp_path / "bad.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 4000)
    assert not history(tmp_path / "bad.sqlite", 8, NOW)["complete"]
    assert part_facts(tmp_path / "bad.sqlite", 1, 1) == {}


def test_one_part(tmp_path: Path) -> None:
    write_journal(tmp_path / "journal.sqlite")
    assert part_facts(tmp_path / "journal.sqlite", 1, 3)["code"] == "REJECT"
    assert part_facts(tmp_path / "journal.sqlite", 1, 99) == {}


def test_the_gallery_shows_what_the_ring_kept(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    rgb = np.full((600, 800, 3), (250, 10, 10), np.uint8)
    tir = (np.arange(64 * 64).reshape(64, 64) + 27000).astype(np.uint16)
    with Evidence(EvidenceConfig(folder=folder), run=2) as ring:
        for part in (9, 10):
            frames = {"rgb": Frame("rgb", rgb, "a", 1, 1, part), "tir": Frame("tir", tir, "b", 1, 1, part)}
            ring.offer(part, frames, passed=False)
    found = newest(folder, lambda run, part: {"code": f"{run}/{part}"})
    assert [(p["run"], p["part"], p["modalities"], p["code"]) for p in found] == [
        (2, 10, ["rgb", "tir"], "2/10"),
        (2, 9, ["rgb", "tir"], "2/9"),
    ]
    red = cv2.imdecode(np.frombuffer(picture(folder, "2", "9", "rgb") or b"", np.uint8), 1)
    assert red.shape == (360, 480, 3)
    assert red[5, 5].argmax() == 2  # BGR: red stays red
    grey = cv2.imdecode(np.frombuffer(picture(folder, "2", "9", "tir") or b"", np.uint8), 0)
    assert grey.min() < 20
    assert grey.max() > 235


def test_nothing_outside_the_folder_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "evidence" / "1" / "1").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    for name in ("../../../secret", "..%2f..%2fsecret", "", "a" * 300, "x\0y"):
        assert picture(tmp_path / "evidence", "1", "1", name) is None
        assert picture(tmp_path / "evidence", name, "1", "rgb") is None
    assert picture(tmp_path / "evidence", "9" * 5000, "1", "rgb") is None
    assert newest(tmp_path / "nowhere", lambda *_: {}) == []
