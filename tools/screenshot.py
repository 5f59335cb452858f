#!/usr/bin/env python
"""A picture of a report for the documentation: report.html in headless Chromium, as PNG.

    tools/screenshot.py report.html docs/images/report.png [--dark] [--width 1080] [--no-pictures] [--to rgb_tir]

`--no-pictures` leaves the galleries out, for data sets whose images may not be published; `--to ID` ends the picture
before that heading's section. Needs the Debian packages of `make peers` and the extra `dev`. Exit 3 without them.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from pathlib import Path

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
FOOT = """
const heading = arguments[0] && document.getElementById(arguments[0]);
return Math.ceil(heading ? heading.getBoundingClientRect().top + scrollY : document.documentElement.scrollHeight);
"""


def picture(page: Path, width: int, scheme: str, without_pictures: bool, end: str | None) -> bytes:
    """PNG of the whole page at `width` CSS px, or of what stands above the element `end`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    with tempfile.TemporaryDirectory() as profile:
        for switch in (*SWITCHES, f"--user-data-dir={profile}"):
            options.add_argument(switch)
        # The path is given, so that selenium looks for no driver to download.
        driver = webdriver.Chrome(options, webdriver.ChromeService(str(DRIVER)))
        try:
            media = [{"name": "prefers-color-scheme", "value": scheme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(page.resolve().as_uri())
            if without_pictures:
                driver.execute_script("document.querySelectorAll('.galleries').forEach(one => one.remove())")
            clip = {"x": 0, "y": 0, "width": width, "height": driver.execute_script(FOOT, end), "scale": 1}
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
            return base64.b64decode(shot["data"])
        finally:
            driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("png", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1080)
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--to", help="id of the heading before which the picture ends")
    given = parser.parse_args()
    if not given.page.is_file():
        sys.exit(f"{given.page} is no file")
    if not (CHROMIUM.exists() and DRIVER.exists()):
        print("needs chromium and chromium-driver: `make peers`", file=sys.stderr)
        sys.exit(3)
    scheme = "dark" if given.dark else "light"
    given.png.write_bytes(picture(given.page, given.width, scheme, given.no_pictures, given.to))
    print(f"written: {given.png}")


if __name__ == "__main__":
    main()
