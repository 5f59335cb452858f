"""Known-bad parts at the start of a shift: each must be rejected, by what the engine found. Knows no terminal.

Two ways. On a running line the journal is watched, read-only, while an operator or the PLC feeds the parts: camera,
light, engine, threshold and wire are all proven. From images the line's bundle and routing are proven, not its cameras.

    <journal>.challenges.jsonl     one line a challenge, each with the digest of the line before it

The record stands beside the journal and not in it: the journal has one writer, whose verdicts no other process may
hold up, and a challenge is kept longer than parts are. The chain of digests shows a line that was changed or taken
out after another one followed. REJECT must have the reason ANOMALY or REVIEW: NO_DECISION, or a part rejected for a
lost camera, stops a bad part and proves nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from radar_edge.clock import NS_PER_S, Clock
from radar_edge.errors import StorageError, UsageError
from radar_edge.records import Code, Reason
from radar_edge.runtime.journal_file import read_events, read_parts_after, read_runs, wall_time
from radar_edge.runtime.plc.link import DeliveryState

CAUGHT = (Reason.ANOMALY.name, Reason.REVIEW.name)
SETTLED = (DeliveryState.SHOWN.value, DeliveryState.ACKNOWLEDGED.value, DeliveryState.NOT_DELIVERED.value, "restart")
LOOK_S = 0.1
FIRST = "0" * 64


@dataclass(frozen=True)
class Attempt:
    """What became of one known-bad part."""

    part: str
    code: str | None
    reason: str | None
    subset: str | None
    score: float | None
    threshold: float | None
    caught: bool


@dataclass(frozen=True)
class Challenge:
    """`wanted` parts were to be rejected; `trouble` says why it did not come to that, if not by a part."""

    source: str
    wanted: int
    attempts: tuple[Attempt, ...]
    trouble: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.trouble is None and len(self.attempts) == self.wanted and all(one.caught for one in self.attempts)


class Watch:
    """The next parts of a running line. Raises UsageError where no line is running."""

    def __init__(self, journal: Path) -> None:
        runs = read_runs(journal) if journal.is_file() else []
        if not runs or runs[-1]["ended_at"] is not None:
            raise UsageError(
                "no line is running on this journal",
                found=str(journal),
                next_step="start it with `radar-edge run`, or challenge its bundle with --images",
            )
        self._journal = journal
        self.run: int = runs[-1]["run"]
        self.facts: dict[str, Any] = runs[-1]["facts"]
        before = read_parts_after(journal, self.run, 0)
        self._seen: int = before[-1]["part"] if before else 0

    def parts(self, count: int, timeout_s: float, clock: Clock, pause: Callable[[float], bool]) -> Iterator[Attempt]:
        """Each of the next `count` parts once its verdict was read by the PLC or never will be.

        It ends early when `timeout_s` went by without one, when the line ended, or when `pause(seconds)` says stop.
        """
        given = 0
        due_ns = clock.now_ns() + round(timeout_s * NS_PER_S)
        while given < count and clock.now_ns() < due_ns:
            for row in read_parts_after(self._journal, self.run, self._seen):
                if row["state"] not in SETTLED:
                    break
                self._seen, given = row["part"], given + 1
                due_ns = clock.now_ns() + round(timeout_s * NS_PER_S)
                yield attempt_of(row)
                if given == count:
                    return
            if self.ended or pause(LOOK_S):
                return

    def judged_by(self) -> dict[str, Any]:
        """Run, product and bundle, as the journal has them now."""
        changes = [e for e in read_events(self._journal) if e["run"] == self.run and e["kind"] == "product"]
        if not changes:
            return {"run": self.run, "bundle": self.facts.get("bundle")}
        return {"run": self.run, "product": int(changes[-1]["subject"]), "bundle": changes[-1]["detail"]["bundle"]}

    @property
    def ended(self) -> bool:
        last = read_runs(self._journal)[-1]
        return last["run"] != self.run or last["ended_at"] is not None


def attempt_of(row: Mapping[str, Any]) -> Attempt:
    """From the journal's row: what counts is what the PLC read."""
    caught = row["shown_code"] == row["code"] == Code.REJECT.name and row["reason"] in CAUGHT
    return Attempt(
        part=f"part {row['part']}, trigger {row['trigger_id']}, {row['received_at']}",
        code=row["shown_code"] or f"{row['code']}, not delivered",
        reason=row["reason"],
        subset=row["subset"],
        score=row["score"],
        threshold=row["threshold"],
        caught=caught,
    )


def challenges_file(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.challenges.jsonl")


def keep(path: Path, challenge: Challenge, by: str) -> dict[str, Any]:
    """Append the record, synced, in one write under a lock. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            lines = stream.read().splitlines()
            record = {
                "at": wall_time(),
                "by": by,
                **asdict(challenge),
                "passed": challenge.passed,
                "before": hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST,
            }
            stream.write(json.dumps(record, sort_keys=True).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(
            f"the challenge cannot be recorded in {path}",
            found=error.strerror,
            next_step="an unrecorded one does not count",
        ) from error
    return record


def read_challenges(path: Path) -> list[dict[str, Any]]:
    """Every record, oldest first. Raises StorageError for one that was changed, or stands where another stood."""
    lines: Sequence[bytes] = path.read_bytes().splitlines() if path.is_file() else []
    before, records = FIRST, []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if record["before"] != before:
                raise ValueError("the digest of the line before it is another")
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{path} was changed: line {number}", found=str(error)) from error
        before = hashlib.sha256(line).hexdigest()
        records.append(record)
    return records
