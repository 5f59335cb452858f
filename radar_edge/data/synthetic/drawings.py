"""What is printed or etched on the part: nameplate, laser marks, copper, silk screen. Knows no pixel grid, no light.

Each is a sheet (raster.blank_sheet) of coverage, 0 to 1; those that never change are kept, softened for a pixel size.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from radar_edge.data.synthetic.part import COMPONENTS, PLATE
from radar_edge.data.synthetic.raster import SHEET_SCALE, Map, blank_sheet, draw_curve, soften

FONT = cv2.FONT_HERSHEY_SIMPLEX
CODE_CELLS = 12
CODE_SEED = 4070


def write(sheet: Map, text: str, x: float, y: float, height: float, weight: float) -> None:
    """Text with its lower left corner at (x, y); `height` of a capital and `weight` of a stroke in part units."""
    thickness = max(round(weight * SHEET_SCALE), 1)
    scale = cv2.getFontScaleFromHeight(FONT, round(height * SHEET_SCALE), thickness)
    # OpenCV 5 writes text on 8-bit images only.
    page = np.zeros(sheet.shape, np.uint8)
    cv2.putText(page, text, (round(x * SHEET_SCALE), round(y * SHEET_SCALE)), FONT, scale, 255, thickness, cv2.LINE_AA)
    np.maximum(sheet, page / np.float32(255), out=sheet)


def fill(sheet: Map, x: float, y: float, width: float, height: float) -> None:
    """A filled box with its upper left corner at (x, y)."""
    low = round(x * SHEET_SCALE), round(y * SHEET_SCALE)
    high = round((x + width) * SHEET_SCALE) - 1, round((y + height) * SHEET_SCALE) - 1
    cv2.rectangle(sheet, low, high, 1.0, cv2.FILLED)


def print_sheet() -> Map:
    """The ink on the nameplate: type, ratings, data matrix, frame line."""
    sheet = blank_sheet()
    left, top = PLATE[0] - PLATE[2] / 2, PLATE[1] - PLATE[3] / 2
    write(sheet, "RE-4070", left + 42, top + 17, 10.0, 1.7)
    write(sheet, "24V 12A", left + 42, top + 29.5, 7.0, 1.2)
    write(sheet, "IP54", left + 42, top + 39.5, 6.0, 1.1)
    fill(sheet, left + 66, top + 34, 34, 5.5)
    fill(sheet, left + 100, top + 23, 12, 6)
    for n in range(3):
        fill(sheet, left + 118, top + 8 + 10 * n, 22, 6)
    cells = np.random.default_rng(CODE_SEED).random((CODE_CELLS, CODE_CELLS)) < 0.5
    cells[:, 0] = cells[-1] = True
    cells[0] = np.arange(CODE_CELLS) % 2 == 0
    cells[:, -1] = np.arange(CODE_CELLS) % 2 == 1
    pitch = 26 / CODE_CELLS
    for row, column in np.argwhere(cells):
        fill(sheet, left + 9 + column * pitch, top + 9 + row * pitch, pitch, pitch)
    return sheet


def mark_sheet() -> Map:
    """Laser marks on the chip and the inductor."""
    sheet = blank_sheet()
    write(sheet, "RE", 129, 70, 7, 1.2)
    write(sheet, "32H7", 127, 80, 5, 0.9)
    write(sheet, "47", 174.5, 73, 7, 1.2)
    return sheet


def copper_sheet() -> Map:
    """Tracks under the solder mask."""
    sheet = blank_sheet()
    for x, y in ((c.x, c.y) for c in COMPONENTS if c.kind == "transistor"):
        draw_curve(sheet, np.array([(x, y + 9), (x, y + 26), (x + 14, y + 40)], float), 4.0)
        draw_curve(sheet, np.array([(x, y - 9), (x, 100), (108, 100)], float), 3.0)
    for n in range(6):
        y = 104 + 8.5 * n
        draw_curve(sheet, np.array([(190, y), (178 - n, y), (170 - n, y + 4)], float), 1.8)
        draw_curve(sheet, np.array([(154, 56 + 5 * n), (160 + n, 56 + 5 * n), (167, 60 + 3 * n)], float), 1.4)
    draw_curve(sheet, np.array([(50, 108), (106, 108), (106, 150), (190, 150)], float), 3.0)
    draw_curve(sheet, np.array([(50, 150), (78, 150), (78, 112)], float), 4.0)
    return sheet


def silk_sheet() -> Map:
    """White outlines round components, and their names."""
    sheet = blank_sheet()
    for component in COMPONENTS:
        x, y, reach = component.x, component.y, component.width / 2 + 1.6
        if component.kind == "capacitor":
            turn = np.linspace(0, 2 * np.pi, 60)
            draw_curve(sheet, np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1), 0.8)
            write(sheet, component.name, x - 4, y + 21, 4, 0.7)
    write(sheet, "RE4070 REV B", 172, 155, 3.5, 0.6)
    return sheet


@lru_cache(maxsize=16)
def static_sheet(name: str, unit: float) -> Map:
    """One of the sheets that never change, softened for pixels of `unit` part units. Treat it as read-only."""
    sheets = {"print": print_sheet, "mark": mark_sheet, "copper": copper_sheet, "silk": silk_sheet}
    return soften(sheets[name](), unit)
