"""The page in headless Chromium: what each state of the line looks like, in both languages, for every visitor."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from chromium import browser, needs_chromium, requests_of
from page_parts import Played, lost, recent, running_page

from radar_edge.records import Cause, Code, HealthState, Ne107, Reason

pytestmark = [pytest.mark.peer, needs_chromium]
DRIFTING = {"rgb_tir": {"state": "recalibrate", "evidence": 17.2, "limit": 16.8, "parts": 900, "since_part": 850,
                        "direction": "up", "lots": []}}  # fmt: skip
STATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "running": ({}, "RUNNING", "rgb + tir"),
    "one_lost": ({"cameras": lost("tir"), "status": ["READY", "DEGRADED"], "engine": "rgb"}, "DEGRADED", "no frames"),
    "both_lost": ({"cameras": lost("rgb", "tir"), "status": [], "uptime_s": 500.0}, "NOT READY", "no frames"),
    "plc_silent": ({"plc_alive": False}, "PLC SILENT", "does not ask"),
    "recalibrate": ({"drift": DRIFTING}, "RECALIBRATE", "rgb + tir"),
    "journal": ({"status": ["READY", "JOURNAL"], "journal": {"failing_s": 3.0, "pending": 9}}, "Journal", "rejected"),
    "fault": ({"status": ["FAULT"]}, "FAULT", "rejected"),
    "reject_all": (
        {"cameras": lost("tir"), "status": ["READY", "DEGRADED"], "degraded_policy": "reject_all"},
        "DEGRADED",
        "every part is rejected",
    ),
    "barren": (
        {"recent": [recent(n, "NO_DECISION", "DEADLINE") for n in range(8)]},
        "NOTHING PASSES",
        "no verdict in time",
    ),
    "no_product": ({"product": None, "status": ["PRODUCT"], "uptime_s": 500.0}, "NOT READY", "no product"),
}


class Shown:
    """A page that a line of the test's own keeps telling of itself."""

    def __init__(self, played: Played, driver: Any) -> None:
        self.played, self.driver = played, driver
        self.changes: dict[str, Any] = {}
        self._telling = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._telling.set()
        self._thread.start()

    def _tell(self) -> None:
        while not self._stop.wait(0.1):
            if self._telling.is_set():
                self.played.state(**self.changes)

    def silence(self) -> None:
        self._telling.clear()

    def state(self, **changes: Any) -> None:
        self.changes = changes
        self._telling.set()

    def text(self, place: str) -> str:
        return str(self.driver.execute_script(f"return document.getElementById('{place}').innerText"))

    def until(self, condition: Callable[[], bool], what: str = "") -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, f"{what}: {self.text('banner')}, {self.text('camera-cards')}"
            time.sleep(0.05)

    def banner(self, wanted: str) -> None:
        self.until(lambda: self.text("banner-word") == wanted, wanted)

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("page")
    with running_page(folder) as played, browser(folder / "profile") as driver:
        page = Shown(played, driver)
        played.pictures()
        driver.get(f"http://127.0.0.1:{played.port}/")
        page.banner("RUNNING")
        yield page
        page.end()


def complaints(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser")]


@pytest.mark.parametrize("name", STATES)
def test_each_state_has_its_word_its_shape_and_its_reason(shown: Shown, name: str) -> None:
    changes, word, why = STATES[name]
    shown.state(**changes)
    shown.banner(word)
    assert why in shown.text("banner-why")
    assert shown.driver.execute_script("return document.querySelector('#banner-sign svg path') !== null")
    assert word in shown.driver.title
    assert complaints(shown.driver) == []


def test_a_lost_camera_says_which_class_and_why(shown: Shown) -> None:
    shown.state(**STATES["one_lost"][0])
    shown.banner("DEGRADED")
    card = shown.text("camera-top-tir")
    assert "Failure: no frames" in card
    assert "for 3 s" in card
    assert "restarts: 3" in card
    assert "Good" in shown.text("camera-top-rgb")


def test_a_line_that_ended_is_not_shown_as_running(shown: Shown) -> None:
    shown.state()
    shown.banner("RUNNING")
    shown.silence()
    shown.banner("NO DATA")
    assert "Do not trust" in shown.text("banner-why")
    shown.state()
    shown.banner("RUNNING")


def test_what_stands_on_the_page(shown: Shown) -> None:
    shown.state(recent=[recent(7), recent(8, "REJECT", "ANOMALY")], parts=1200)
    shown.until(lambda: "REJECT" in shown.text("last"))
    assert "part 8 · anomaly" in shown.text("last")
    assert "score 0.300 / threshold 0.500" in shown.text("last")
    assert shown.text("recent").splitlines() == ["8 anomaly", "7 good"]
    assert "75 %" in shown.text("contributions")
    assert "1200" in shown.text("counts")
    assert "rgb + tir" in shown.text("standing")
    assert "95.0" in shown.text("latency")


def test_the_heat_map_lies_over_the_picture_and_can_be_taken_off(shown: Shown) -> None:
    shown.state()
    loaded = "return [...document.querySelectorAll('.view img')].map((i) => i.complete && i.naturalWidth > 0)"
    shown.until(lambda: shown.driver.execute_script(loaded) == [True] * 4, "pictures")
    same = """return [...document.querySelectorAll('.view')].every((v) => {
        const [a, b] = [...v.querySelectorAll('img')].map((i) => i.getBoundingClientRect());
        return a.x === b.x && a.y === b.y && a.width === b.width && a.height === b.height && a.width > 100; })"""
    assert shown.driver.execute_script(same)
    button = shown.driver.find_element("id", "heat-button")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not shown.driver.find_element("css selector", ".heat").is_displayed()
    button.click()


def test_two_languages_without_a_word_missing(shown: Shown) -> None:
    shown.state()
    text = shown.played.get("/static/words.js")[2].decode()
    english, chinese = text.split("  zh: {")
    keys = set(re.findall(r"(\w+): \"", english))
    assert keys == set(re.findall(r"(\w+): \"", chinese))
    needed = {reason.name for reason in Reason} | {code.name for code in Code} | {state.value for state in HealthState}
    needed |= {("starting_cause" if c is Cause.STARTING else c.value) for c in Cause} | {f"ne{n.value}" for n in Ne107}
    assert needed - keys == set()
    shown.driver.find_element("id", "language").click()
    shown.banner("运行中")
    assert shown.driver.execute_script("return document.documentElement.lang") == "zh-CN"
    assert "相机" in shown.driver.page_source
    shown.driver.find_element("id", "language").click()
    shown.banner("RUNNING")


@pytest.mark.parametrize("name", ["running", "one_lost", "plc_silent", "recalibrate"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_finding_of_axe(shown: Shown, name: str, scheme: str) -> None:
    """axe-core 4: contrast AA, names, landmarks, roles."""
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    shown.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    changes, word, _ = STATES[name]
    shown.state(**changes)
    shown.banner(word)
    axe = (files("axe_core_python") / "axe.min.js").read_text()
    shown.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})  # past the page's own policy
    run = {"expression": "axe.run().then((r) => JSON.stringify(r.violations))", "awaitPromise": True}
    found = json.loads(shown.driver.execute_cdp_cmd("Runtime.evaluate", run)["result"]["value"])
    assert [(f["id"], f["impact"], [n["target"] for n in f["nodes"]]) for f in found] == []


def test_the_keyboard_reaches_every_button(shown: Shown) -> None:
    from selenium.webdriver.common.keys import Keys

    shown.state()
    shown.driver.execute_script("document.activeElement.blur()")
    reached = set()
    for _ in range(12):
        shown.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(shown.driver.execute_script("return document.activeElement.innerText"))
    assert {"Heat map", "中文", "1 h", "8 h", "24 h"} <= reached


@pytest.mark.parametrize("width", [390, 800, 1920, 3840])
def test_nothing_is_cut_off(shown: Shown, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    shown.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    shown.state(**STATES["one_lost"][0])
    shown.banner("DEGRADED")
    assert shown.driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    shown.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_asks_nobody_but_the_line(shown: Shown) -> None:
    asked = requests_of(shown.driver)
    here = (f"http://127.0.0.1:{shown.played.port}/", "data:")
    assert asked
    assert [url for url in asked if not url.startswith(here)] == []
    assert complaints(shown.driver) == []


def test_the_first_screen_is_quick(shown: Shown) -> None:
    """Not timed here but counted: few small files, and nothing that keeps the first picture waiting."""
    shown.state()
    shown.driver.get(f"http://127.0.0.1:{shown.played.port}/")
    shown.banner("RUNNING")
    entries = shown.driver.execute_script(
        "return performance.getEntriesByType('resource').filter((e) => e.name.includes('/static/'))"
        ".map((e) => [e.name, e.encodedBodySize])"
    )
    assert len(entries) <= 6
    assert sum(size for _, size in entries) < 60_000
