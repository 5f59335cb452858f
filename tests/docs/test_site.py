"""The documentation as a site: it is built without a warning, and needs no network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from chromium import browser, needs_chromium

ROOT = Path(__file__).parents[2]
TAGS = "script|img|link|iframe|source|video|audio|object|embed"
LOADED = re.compile(rf"""<(?:{TAGS})\b[^>]*?(?:src|href|data)=["']?([^"'\s>]+)""")
"""What a browser fetches by itself; an `<a href>` is followed by the reader alone."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "tools/mkdocs.yml", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in ROOT.glob("docs/**/*.md")]
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    loaded = {url for page in site.rglob("*.html") for url in LOADED.findall(page.read_text())}
    assert len(loaded) > 10
    assert [url for url in loaded if re.match(r"(?:https?:)?//", url)] == []
    styles = {url for path in site.rglob("*.css") for url in re.findall(r"url\(([^)]+)\)", path.read_text())}
    assert [url for url in styles if re.match(r"""["']?(?:https?:)?//""", url)] == []


def test_every_file_that_is_loaded_is_there(site: Path) -> None:
    missing = [
        f"{page.relative_to(site)}: {url}"
        for page in site.rglob("*.html")
        if page.name != "404.html"  # a server's page: its links begin at the root
        for url in LOADED.findall(page.read_text())
        if not url.startswith("data:") and not (page.parent / url.split("?")[0].split("#")[0]).exists()
    ]
    assert missing == []


def test_the_search_works_from_a_file(site: Path) -> None:
    assert "var __index" in (site / "search/search_index.js").read_text()
    assert "assets/iframe-worker.js" in (site / "index.html").read_text()


@pytest.mark.peer
@needs_chromium
def test_the_search_finds_a_word_in_chromium(site: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with browser(site.parent / "profile") as driver:
        driver.get((site / "index.html").as_uri())
        driver.execute_script("document.querySelector('#__search').click()")
        field = WebDriverWait(driver, 60).until(lambda d: d.find_element(By.CSS_SELECTOR, ".md-search__input"))
        WebDriverWait(driver, 60).until(lambda _: field.is_displayed())
        field.send_keys("queue_depth")
        found = WebDriverWait(driver, 60).until(lambda d: d.find_elements(By.CSS_SELECTOR, ".md-search-result__item a"))
        assert any("line.html" in str(link.get_attribute("href")) for link in found)
