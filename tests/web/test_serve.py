"""The process's own logic, without a process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from radar_edge.web.serve import Teller
from radar_edge.web.visitors import Door


class Recorder:
    """What would go to the broker."""

    trouble: str | None = "no broker yet"

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.verdicts: list[dict[str, Any]] = []

    def offer(self, state: dict[str, Any]) -> None:
        self.states.append(state)

    def verdict(self, document: dict[str, Any]) -> None:
        self.verdicts.append(document)


def state(run: int, *verdicts: tuple[int, int]) -> dict[str, Any]:
    return {"run": run, "recent": [{"seq": seq, "part": part} for seq, part in verdicts]}


def test_each_verdict_is_told_once_in_the_order_of_settlement(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder()
    teller = Teller(recorder)  # type: ignore[arg-type]
    teller.tell(state(1, (1, 4), (2, 9)))  # part 9 was refused before parts 5 to 8 were judged
    teller.tell(state(1, (1, 4), (2, 9), (3, 5)))
    recorder.trouble = None
    teller.tell(state(2, (1, 1)))
    assert [(v["run"], v["part"]) for v in recorder.verdicts] == [(1, 4), (1, 9), (1, 5), (2, 1)]
    assert all("recent" not in told for told in recorder.states)
    assert capsys.readouterr().err == "MQTT: no broker yet\nMQTT: connected\n"


@pytest.mark.parametrize("absent", ["paho", "uvicorn", "starlette", "prometheus_client"])
def test_only_what_is_asked_for_is_imported(absent: str) -> None:
    code = f"import sys; sys.modules[{absent!r}] = None; import radar_edge.web.serve"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_empty_token_lets_nobody_in() -> None:
    with pytest.raises(ValueError, match="empty token"):
        Door(lambda *_: None, token="", local_only=False)  # type: ignore[arg-type,return-value]
