#!/usr/bin/env python
"""A picture of a report for the documentation: report.html in headless Chromium, as .png, .jpeg or .webp.

    tools/screenshot.py report.html OUT.png [--dark] [--width 1080] [--no-pictures] [--from ID] [--to ID]

`--no-pictures` leaves the galleries out, for data sets whose images may not be published; `--from` and `--to` take
the ids of headings (threshold, oracle, missing, rgb_tir ...): where the picture begins, and before which it ends.
Needs the Debian packages of `make peers` and the extra `dev`; exit 3 without them.
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
PLACE = """
const heading = arguments[0] && document.getElementById(arguments[0]);
return Math.round(heading ? heading.getBoundingClientRect().top + scrollY - 12 : arguments[1]);
"""
BOTTOM = "return document.documentElement.scrollHeight"


def picture(
    page: Path, kind: str, width: int, scheme: str, without_pictures: bool, ends: tuple[str | None, str | None]
) -> bytes:
    """The page at `width` CSS px as a file of that kind: between the elements with the ids `ends`, or all of it."""
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
            quality = {} if kind == "png" else {"quality": 82}
            top = driver.execute_script(PLACE, ends[0], 0)
            bottom = driver.execute_script(PLACE, ends[1], driver.execute_script(BOTTOM))
            clip = {"x": 0, "y": top, "width": width, "height": bottom - top, "scale": 1}
            shot = driver.execute_cdp_cmd(
                "Page.captureScreenshot", {"format": kind, **quality, "clip": clip, "captureBeyondViewport": True}
            )
            return base64.b64decode(shot["data"])
        finally:
            driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1080)
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--from", dest="start", metavar="ID")
    parser.add_argument("--to", dest="end", metavar="ID")
    given = parser.parse_args()
    if not given.page.is_file() or given.out.suffix not in (".png", ".jpeg", ".webp"):
        parser.error("wanted: an HTML file that is there, and a .png, .jpeg or .webp to write")
    if not (CHROMIUM.exists() and DRIVER.exists()):
        print("needs chromium and chromium-driver: `make peers`", file=sys.stderr)
        sys.exit(3)
    scheme = "dark" if given.dark else "light"
    given.out.write_bytes(
        picture(given.page, given.out.suffix[1:], given.width, scheme, given.no_pictures, (given.start, given.end))
    )
    print(f"written: {given.out}")


if __name__ == "__main__":
    main()
