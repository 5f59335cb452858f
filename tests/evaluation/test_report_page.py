"""report.html in headless Chromium, the browser of its readers: no console error, no request, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import browser, needs_chromium, requests_of
from report_parts import BOTH, RGB, full_metrics, parts

from radar_edge.evaluation.report import write_report

pytestmark = [pytest.mark.peer, needs_chromium]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    metrics = full_metrics() | {"source": "runs/<i>a</i>", "data": "a data set with a rather long name" * 3}
    write_report(folder / "report.html", metrics, {RGB: parts(folder, RGB), BOTH: parts(folder)})
    return folder / "report.html"


def show(driver: Any, page: Path, width: int = 1200, **features: str) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    driver.get(page.as_uri())


def test_no_console_message_and_no_request_but_the_page(driver: Any, report: Path) -> None:
    driver.get_log("browser")
    requests_of(driver)
    show(driver, report)
    asked = [url for url in requests_of(driver) if not url.startswith("data:")]
    assert asked == [report.as_uri()]
    assert driver.get_log("browser") == []


def test_the_log_would_show_a_request_and_a_refusal(driver: Any, tmp_path: Path, report: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(report.read_text().replace("<h1>", '<img src="http://127.0.0.1:9/x.png"><h1>', 1))
    driver.get_log("browser")
    show(driver, broken)
    assert any("Content Security Policy" in entry["message"] for entry in driver.get_log("browser"))


def test_every_picture_is_drawn(driver: Any, report: Path) -> None:
    show(driver, report)
    script = "return [...document.images].map(one => one.complete && one.naturalWidth > 0)"
    drawn = driver.execute_script(script)
    assert len(drawn) > 60
    assert all(drawn)
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().width)"
    )
    assert len(boxes) == 5
    assert min(boxes) > 600


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_the_page_never_scrolls_sideways(driver: Any, report: Path, width: int) -> None:
    show(driver, report, width)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


def luminance(driver: Any, selector: str, of: str) -> float:
    script = f"return getComputedStyle(document.querySelector('{selector}')).{of}"
    values = driver.execute_script(script).removeprefix("rgb(").removesuffix(")").split(",")
    return sum(float(value) for value in values) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_dark_in_the_dark_and_text_stands_out(driver: Any, report: Path, scheme: str) -> None:
    show(driver, report, prefers_color_scheme=scheme)
    ground, text = luminance(driver, "body", "backgroundColor"), luminance(driver, "body", "color")
    assert (ground < 60) == (scheme == "dark")
    assert abs(ground - text) > 150


def test_it_prints_dark_on_white_even_from_a_dark_screen(driver: Any, report: Path) -> None:
    show(driver, report, prefers_color_scheme="dark")
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        assert luminance(driver, "body", "backgroundColor") == 255
        assert luminance(driver, "body", "color") < 60
        pdf = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
        assert len(pdf) > 50_000
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_what_a_person_reads_first(driver: Any, report: Path) -> None:
    show(driver, report)
    text = driver.execute_script("return document.body.innerText")
    assert text.startswith("runs/<i>a</i> on a data set")
    assert text.index("Leak in rgb") < text.index("On the line: at the shipped thresholds")
