"""The RGB picture of a specimen: relief, light, lens, sensor. Knows nothing of heat.

Shading: Blinn's half-vector model (SIGGRAPH 1977) on the normals of a height map; cast shadows and ambient occlusion
from the same map. The sensor's noise has a shot part, so its variance grows with the signal (EMVA standard 1288).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.synthetic.defects import NONE, Defect
from radar_edge.data.synthetic.drawings import static_sheet
from radar_edge.data.synthetic.part import BOARD, HOUSING, MATERIALS, PLATE, POCKET, Component, Light, Specimen
from radar_edge.data.synthetic.raster import WHOLE, Grid, Map, Window, smooth_noise, soften

GAMMA = 1 / 2.2
SHOT, READ = 1.2e-4, 4e-5
"""Variance in units of full scale: per signal, and without signal."""
EXPOSURE = 0.95
LENS_SIGMA = 0.5
SHADOW_STEPS = 6


class Canvas:
    """Maps of one view that are painted from below to above."""

    def __init__(self, grid: Grid) -> None:
        shape = (grid.size, grid.size)
        ground = MATERIALS["pallet"]
        self.grid = grid
        self.albedo: Map = np.tile(np.asarray(ground.albedo, np.float32), (*shape, 1))
        self.relief: Map = np.zeros(shape, np.float32)
        self.gloss: Map = np.full(shape, ground.gloss, np.float32)
        self.grain: Map = np.full(shape, ground.grain, np.float32)
        self.brush: Map = np.zeros(shape, np.float32)

    def paint(self, cover: Map, name: str, at: Window = WHOLE) -> None:
        """Material `name` where `cover` is 1."""
        material = MATERIALS[name]
        self.albedo[at] += cover[..., None] * (np.asarray(material.albedo, np.float32) - self.albedo[at])
        for target, value in (
            (self.gloss, material.gloss),
            (self.grain, material.grain),
            (self.brush, material.brush),
        ):
            target[at] += cover * (np.float32(value) - target[at])

    def box(self, name: str, x: float, y: float, width: float, height: float, corner: float, rise: float = 0.0) -> None:
        self.turned(name, x, y, width, height, corner, rise, 0.0)

    def turned(
        self, name: str, x: float, y: float, width: float, height: float, corner: float, rise: float, turn_deg: float
    ) -> None:
        """A box of material with a rounded upper edge, `rise` above what lies below it."""
        at = self.grid.window(x, y, math.hypot(width, height) / 2 + 2)
        distance = self.grid.box(x, y, width, height, corner, turn_deg, at)
        self.paint(self.grid.coverage(distance), name, at)
        bevel = max(abs(rise) * 0.25, 1.0)
        self.relief[at] += np.float32(rise) * np.clip(0.5 - distance / np.float32(bevel), 0, 1)


def rgb_levels(specimen: Specimen, size: int, defect: Defect = NONE) -> Map:
    """The picture `[size, size, 3]` in grey levels 0 to 255 before it is rounded."""
    grid = Grid(size, specimen.pose)
    canvas = Canvas(grid)
    draw_housing(canvas, defect)
    for component in specimen.components:
        if component.name == defect.removed:
            draw_pads(canvas, component)
        else:
            DRAW[component.kind](canvas, component)
    mark = grid.sample(static_sheet("mark", grid.unit))
    standing = next(
        (c for c in specimen.components if c.name == defect.removed and c.kind in ("chip", "inductor")), None
    )
    if standing is not None:
        mark *= 1 - grid.coverage(grid.box(standing.x, standing.y, standing.width, standing.height, 1.0))
    canvas.paint(mark, "mark")
    damage(canvas, defect)
    wear(canvas, specimen)
    lit = shade(canvas, specimen.light)
    if defect.stain is not None:
        film = (defect.stain.opacity * grid.sample(soften(defect.stain.sheet, grid.unit)))[..., None]
        lit = lit * (1 - film) + film * np.asarray(defect.stain.colour, np.float32) * (
            0.35 + 0.65 * lit.mean(axis=2, keepdims=True) ** 0.5
        )
    return expose(lit, specimen)


def draw_housing(canvas: Canvas, defect: Defect) -> None:
    canvas.box("cast", *HOUSING, rise=7.0)
    canvas.box("pocket", *POCKET, rise=-6.0)
    canvas.box("board", *BOARD, rise=1.5)
    canvas.box("plate", *PLATE, rise=0.8)
    grid = canvas.grid
    on_board = grid.coverage(grid.box(*BOARD))
    copper = grid.sample(static_sheet("copper", grid.unit)) * on_board
    canvas.paint(copper, "copper")
    canvas.relief += 0.25 * copper
    canvas.paint(grid.sample(static_sheet("silk", grid.unit)) * on_board, "silk")
    ink = static_sheet("print", grid.unit) if defect.ink is None else soften(defect.ink, grid.unit)
    canvas.paint(np.float32(0.93) * grid.sample(ink) * grid.coverage(grid.box(*PLATE)), "ink")


def draw_heatsink(canvas: Canvas, c: Component) -> None:
    canvas.turned("anodised", c.x, c.y, c.width, c.height, c.corner, 3.0, c.turn_deg)
    for n in range(7):
        canvas.turned("anodised", c.x + (n - 3) * 8.2, c.y, 4.0, c.height - 2, 0.8, c.rise - 3.0, c.turn_deg)


def draw_chip(canvas: Canvas, c: Component) -> None:
    for n in range(8):
        step = (n - 3.5) * 3.6
        canvas.box("tin", c.x + step, c.y, 1.7, c.height + 5, 0.3, 0.8)
        canvas.box("tin", c.x, c.y + step, c.width + 5, 1.7, 0.3, 0.8)
    canvas.turned("epoxy", c.x, c.y, c.width, c.height, c.corner, c.rise, c.turn_deg)
    canvas.box("mark", c.x - c.width / 2 + 4, c.y - c.height / 2 + 4, 2.6, 2.6, 1.3, -0.4)


def draw_transistor(canvas: Canvas, c: Component) -> None:
    canvas.box("tin", c.x, c.y - c.height / 2, c.width - 2, 5, 0.6, 1.0)
    for n in (-1, 0, 1):
        canvas.box("tin", c.x + 4.6 * n, c.y + c.height / 2 + 1, 2.2, 5, 0.4, 0.9)
    canvas.turned("epoxy", c.x, c.y + 0.8, c.width, c.height - 3, c.corner, c.rise, c.turn_deg)


def draw_inductor(canvas: Canvas, c: Component) -> None:
    canvas.turned("ferrite", c.x, c.y, c.width, c.height, c.corner, c.rise, c.turn_deg)
    canvas.box("ferrite", c.x, c.y, c.width - 6, c.height - 6, (c.width - 6) / 2, 0.9)


def draw_capacitor(canvas: Canvas, c: Component) -> None:
    canvas.box("sleeve", c.x, c.y, c.width, c.height, c.corner, c.rise)
    inner = c.width - 4
    canvas.box("can", c.x, c.y, inner, inner, inner / 2, 0.6)
    at = canvas.grid.window(c.x, c.y, c.width)
    top = canvas.grid.box(c.x, c.y, inner, inner, inner / 2, 0.0, at)
    segment = np.maximum(top, canvas.grid.x[at] - np.float32(c.x - inner * 0.24))
    canvas.paint(canvas.grid.coverage(segment), "sleeve", at)
    canvas.turned("can", c.x + 1.5, c.y, inner * 0.6, 1.2, 0.3, -0.7, 45)
    canvas.turned("can", c.x + 1.5, c.y, inner * 0.6, 1.2, 0.3, -0.7, -45)


def draw_connector(canvas: Canvas, c: Component) -> None:
    canvas.turned("nylon", c.x, c.y, c.width, c.height, c.corner, c.rise, c.turn_deg)
    for n in range(6):
        y = c.y + (n - 2.5) * 8.4
        canvas.box("hole", c.x, y, 11, 5.6, 0.8, -5.0)
        canvas.box("tin", c.x, y, 3.6, 2.6, 0.5, 2.5)


def draw_two_ended(canvas: Canvas, c: Component) -> None:
    canvas.turned("tin", c.x, c.y, c.width, c.height, 0.6, c.rise * 0.9, c.turn_deg)
    flat = c.width > c.height
    width, height = (c.width * 0.6, c.height) if flat else (c.width, c.height * 0.6)
    canvas.turned(c.material, c.x, c.y, width, height, 0.4, c.rise * 0.1 + 0.3, c.turn_deg)


def draw_screw(canvas: Canvas, c: Component) -> None:
    canvas.box("steel", c.x, c.y, c.width, c.height, c.corner, 1.0)
    canvas.box("steel", c.x, c.y, c.width - 4, c.height - 4, c.corner - 2, c.rise)
    for turn in (c.turn_deg, c.turn_deg + 90):
        canvas.turned("hole", c.x, c.y, 8.0, 1.9, 0.4, -1.6, turn)


DRAW: dict[str, Callable[[Canvas, Component], None]] = {
    "heatsink": draw_heatsink,
    "chip": draw_chip,
    "transistor": draw_transistor,
    "inductor": draw_inductor,
    "capacitor": draw_capacitor,
    "connector": draw_connector,
    "passive": draw_two_ended,
    "resistor": draw_two_ended,
    "screw": draw_screw,
}


def draw_pads(canvas: Canvas, c: Component) -> None:
    """What is seen where a component was not fitted: an open hole, or two tinned pads."""
    if c.kind == "screw":
        canvas.box("hole", c.x, c.y, 10, 10, 5.0, -6.0)
        return
    gap = 0.62 * c.width / 2
    for side in (-1, 1):
        canvas.box("tin", c.x + side * gap, c.y, min(c.width * 0.26, 6.0), min(c.height * 0.6, 12.0), 0.6, 0.3)


def damage(canvas: Canvas, defect: Defect) -> None:
    """Scratches are bright grooves with torn edges; cracks are dark and deep."""
    grid = canvas.grid
    if defect.scratch is not None:
        groove = grid.sample(soften(defect.scratch, grid.unit)) * grid.coverage(grid.box(*HOUSING))
        canvas.albedo += groove[..., None] * (0.35 * canvas.albedo + np.float32(0.42) - canvas.albedo)
        canvas.gloss += groove * (np.float32(0.5) - canvas.gloss)
        canvas.relief -= 1.2 * groove
    if defect.crack is not None:
        gap = grid.sample(soften(defect.crack, grid.unit)) * grid.coverage(grid.box(*HOUSING))
        canvas.albedo *= 1 - np.float32(0.93) * gap[..., None]
        canvas.gloss *= 1 - gap
        canvas.relief -= 1.5 * gap


def wear(canvas: Canvas, specimen: Specimen) -> None:
    """The specimen's own surface: cast skin and grain as relative changes of albedo, brushing along x."""
    rng = np.random.default_rng(specimen.texture_seed)
    size, pixel = canvas.grid.size, 1 / canvas.grid.unit
    fine = smooth_noise(rng, size, 0.7 * pixel, 0.7 * pixel)
    coarse = smooth_noise(rng, size, 2.4 * pixel, 2.4 * pixel)
    lines = smooth_noise(rng, size, 14 * pixel, 0.5 * pixel)
    texture = canvas.grain * (0.8 * fine + 0.6 * coarse) + canvas.brush * lines
    canvas.albedo *= np.clip(1 + specimen.texture * texture, 0.2, 2.5)[..., None]


def shade(canvas: Canvas, light: Light) -> Map:
    """Linear light `[size, size, 3]`."""
    relief = np.asarray(cv2.GaussianBlur(canvas.relief, (0, 0), 0.6 / canvas.grid.unit), np.float32)
    slope_y, slope_x = np.gradient(relief, np.float32(canvas.grid.unit))
    azimuth, elevation = math.radians(light.azimuth_deg), math.radians(light.elevation_deg)
    x, y, z = (
        np.float32(v)
        for v in (math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation))
    )
    length = np.sqrt(1 + slope_x**2 + slope_y**2)
    facing = np.maximum((z - slope_x * x - slope_y * y) / length, 0)
    half = math.sqrt(2 + 2 * float(z))
    mirror = np.maximum((z + 1 - slope_x * x - slope_y * y) / (length * np.float32(half)), 0) ** 24
    open_sky = np.exp(-0.16 * np.maximum(cv2.GaussianBlur(relief, (0, 0), 4 / canvas.grid.unit) - relief, 0))
    direct = 1 - 0.75 * shadow(relief, canvas.grid.unit, (float(x), float(y), float(z)))
    diffuse = 0.42 * open_sky + 0.72 * facing * direct
    return np.asarray(
        canvas.albedo * diffuse[..., None] + (0.55 * canvas.gloss * mirror * direct)[..., None], np.float32
    )


def shadow(relief: Map, unit: float, towards: tuple[float, float, float]) -> Map:
    """0 lit to 1 in shadow: how far something between here and the lamp stands above the ray."""
    x, y, z = towards
    rise = z / math.hypot(x, y)
    above = np.zeros_like(relief)
    for step in range(1, SHADOW_STEPS + 1):
        reach = 1.6 * step
        move = np.array(
            [[1, 0, reach * x / math.hypot(x, y) / unit], [0, 1, reach * y / math.hypot(x, y) / unit]], np.float32
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(relief, move, relief.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        above = np.maximum(above, seen - relief - np.float32(reach * rise))
    return np.asarray(cv2.GaussianBlur(np.clip(above / 2, 0, 1), (0, 0), 0.8 / unit), np.float32)


def expose(lit: Map, specimen: Specimen) -> Map:
    """Lamps, lens and sensor: linear light -> grey levels."""
    size, light = lit.shape[0], specimen.light
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    falloff = 1 - 0.07 * (axis[:, None] ** 2 + axis[None, :] ** 2)
    lamps = (1 + 0.5 * light.slope_x * axis[None, :] + 0.5 * light.slope_y * axis[:, None]) * falloff
    colour = np.array([1 + light.warmth, 1, 1 - light.warmth], np.float32)
    signal = lit * (EXPOSURE * light.gain * lamps)[..., None] * colour
    signal = np.maximum(cv2.GaussianBlur(signal, (0, 0), LENS_SIGMA * size / 256), 0)
    noise = np.random.default_rng(specimen.rgb_seed).standard_normal(signal.shape, np.float32)
    signal = signal + noise * np.sqrt(SHOT * signal + READ)
    return np.asarray(255 * np.clip(signal, 0, 1) ** np.float32(GAMMA), np.float32)


def round_levels(levels: Map) -> npt.NDArray[np.uint8]:
    return np.asarray(np.round(levels), np.uint8)
