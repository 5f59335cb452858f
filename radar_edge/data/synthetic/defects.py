"""What can be wrong with a specimen. Knows no pixel grid; draws in part units.

scratch, stain, misprint show in RGB only: they change no heat path (a scratch does change the emissivity of its line a
little; it is far below a thermal pixel in width and left out). void, overheat, cold lie below the surface and show
in TIR only. crack and missing show in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from radar_edge.data.synthetic.drawings import print_sheet
from radar_edge.data.synthetic.part import HOUSING, PLATE, Component, Specimen
from radar_edge.data.synthetic.raster import SHEET_SCALE, Map, blank_sheet, draw_blob, draw_curve

VISIBLE_IN = {
    "scratch": "rgb",
    "stain": "rgb",
    "misprint": "rgb",
    "void": "tir",
    "overheat": "tir",
    "cold": "tir",
    "crack": "rgb_tir",
    "missing": "rgb_tir",
}

BOARD_CONDUCTANCE = 900.0
"""W/(m^2 K) from a component's foot through the board, spreading included: only to choose how much heat to add."""


@dataclass(frozen=True, slots=True, eq=False)
class Stain:
    """A film over `sheet`: the colour it takes on, and how much of what lies below still shows."""

    sheet: Map
    colour: tuple[float, float, float]
    opacity: float


@dataclass(frozen=True, slots=True, eq=False)
class Defect:
    """Changes to a good specimen; the default changes nothing. Sheets are coverage, 0 to 1."""

    removed: str | None = None
    extra_w: tuple[str, float] | None = None
    dead: str | None = None
    void: Map | None = None
    crack: Map | None = None
    scratch: Map | None = None
    stain: Stain | None = None
    ink: Map | None = None

    @property
    def changes_light(self) -> bool:
        """Whether an RGB picture of it differs from the good one."""
        return any(one is not None for one in (self.removed, self.crack, self.scratch, self.stain, self.ink))

    @property
    def changes_heat(self) -> bool:
        """Whether a thermal picture of it differs from the good one."""
        return any(one is not None for one in (self.removed, self.extra_w, self.dead, self.void, self.crack))


NONE = Defect()


def walk(rng: np.random.Generator, x: float, y: float, heading: float, length: float, wander: float) -> Map:
    """`[N, 2]` points 1.5 units apart of a line that wanders by `wander` radians a step."""
    steps = max(int(length / 1.5), 4)
    angles = heading + np.cumsum(rng.normal(0, wander, steps))
    moves = 1.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.asarray(np.cumsum(np.vstack([(x, y), moves]), axis=0), np.float32)


def scratch(rng: np.random.Generator, _: Specimen) -> Defect:
    """One to three gouges side by side, 30 to 90 units long and thinner towards their ends."""
    sheet = blank_sheet()
    x, y = rng.uniform(55, 200), rng.uniform(45, 212)
    heading = rng.uniform(0, 2 * math.pi)
    for n in range(int(rng.integers(1, 4))):
        side = 5 * n * np.array([-math.sin(heading), math.cos(heading)]) + rng.normal(0, 1.5, 2)
        points = walk(rng, x + side[0], y + side[1], heading + rng.normal(0, 0.06), rng.uniform(30, 90), 0.015)
        width, depth = rng.uniform(1.6, 3.2), rng.uniform(0.65, 1.0)
        for first in range(0, len(points) - 1, 3):
            middle = 1 - abs(2 * first / len(points) - 1)
            draw_curve(
                sheet, points[first : first + 4], width * min(0.4 + 1.5 * middle, 1), depth * min(0.5 + middle, 1)
            )
    return Defect(scratch=sheet)


def stain(rng: np.random.Generator, _: Specimen) -> Defect:
    """Oil, flux or paint: a few overlapping drops of 7 to 17 units radius with a denser rim."""
    sheet = blank_sheet()
    x, y, radius = rng.uniform(45, 211), rng.uniform(45, 212), rng.uniform(7, 17)
    draw_blob(sheet, rng, x, y, radius, 0.25)
    for _n in range(int(rng.integers(0, 3))):
        turn = rng.uniform(0, 2 * math.pi)
        draw_blob(
            sheet, rng, x + radius * math.cos(turn), y + radius * math.sin(turn), radius * rng.uniform(0.3, 0.6), 0.2
        )
    soft = cv2.GaussianBlur(sheet, (0, 0), 1.0 * SHEET_SCALE)
    rim = np.clip(sheet - cv2.GaussianBlur(sheet, (0, 0), 2.5 * SHEET_SCALE), 0, 1) * 0.9
    film = np.clip(soft * 0.8 + rim, 0, 1).astype(np.float32)
    kinds = (((0.050, 0.028, 0.010), 0.75), ((0.50, 0.47, 0.38), 0.62), ((0.30, 0.055, 0.03), 0.75))
    colour, opacity = kinds[int(rng.integers(0, len(kinds)))]
    return Defect(stain=Stain(film, colour, opacity * rng.uniform(0.8, 1.15)))


def misprint(rng: np.random.Generator, _: Specimen) -> Defect:
    """The print doubled, wiped away over a stretch, or smeared along the plate."""
    ink = print_sheet()
    kind = int(rng.integers(0, 3))
    if kind == 0:
        move = rng.uniform(3.5, 7, 2) * rng.choice((-1, 1), 2)
        turn = cv2.getRotationMatrix2D((PLATE[0] * SHEET_SCALE, PLATE[1] * SHEET_SCALE), rng.uniform(-2, 2), 1.0)
        turn[:, 2] += move * SHEET_SCALE
        ghost = cv2.warpAffine(ink, turn, ink.shape[::-1])
        ink = np.maximum(ink, np.float32(rng.uniform(0.75, 1.0)) * ghost)
    else:
        # Over the code, the type, or the boxes: where there is ink to lose.
        x = PLATE[0] + rng.choice((-52, -18, 2, 50)) + rng.uniform(-5, 5)
        patch = blank_sheet()
        draw_blob(patch, rng, x, PLATE[1] + rng.uniform(-6, 6), rng.uniform(16, 25), 0.2)
        if kind == 1:
            ink = ink * (1 - np.float32(rng.uniform(0.9, 1)) * patch)
        else:
            length = round(rng.uniform(12, 20) * SHEET_SCALE)
            smeared = cv2.blur(ink, (length, 3))
            ink = ink + patch * (np.minimum(smeared * 1.3, 1) - ink)
    return Defect(ink=np.asarray(ink, np.float32))


def void(rng: np.random.Generator, specimen: Specimen) -> Defect:
    """A bubble in the bond below a component that carries heat: its heat cannot leave there."""
    component = choose(rng, specimen, ("U1", "U1", "U2", "U2", "L1"))
    radius = rng.uniform(0.24, 0.38) * min(component.width, component.height)
    room_x, room_y = component.width / 2 - radius * 0.9, component.height / 2 - radius * 0.9
    sheet = blank_sheet()
    draw_blob(
        sheet, rng, component.x + rng.uniform(-1, 1) * room_x, component.y + rng.uniform(-1, 1) * room_y, radius, 0.25
    )
    return Defect(void=sheet)


def overheat(rng: np.random.Generator, specimen: Specimen) -> Defect:
    """A component or a contact that makes too much heat: a short, a leaking capacitor, a loose terminal."""
    component = choose(rng, specimen, ("U2", "Q1", "Q2", "Q3", "R1", "L1", "C1", "C2", "J1"))
    watts = rng.uniform(8, 17) * component.area_m2 / (1 / component.contact + 1 / BOARD_CONDUCTANCE)
    return Defect(extra_w=(component.name, watts))


def cold(rng: np.random.Generator, specimen: Specimen) -> Defect:
    """A component that does not work and makes no heat."""
    return Defect(dead=choose(rng, specimen, ("U2", "Q1", "Q2", "Q3", "R1", "L1")).name)


def crack(rng: np.random.Generator, _: Specimen) -> Defect:
    """A jagged crack with a branch, running in from an edge of the casting."""
    x0, y0, width, height, _corner = HOUSING
    side = int(rng.integers(0, 4))
    along = rng.uniform(-0.36, 0.36)
    edge_x = x0 + (along if side < 2 else (side - 2.5) * 0.98) * width
    edge_y = y0 + (along if side >= 2 else (side - 0.5) * 0.98) * height
    heading = math.atan2(y0 - edge_y, x0 - edge_x) + rng.normal(0, 0.3)
    sheet = blank_sheet()
    path = walk(rng, edge_x, edge_y, heading, rng.uniform(45, 95), 0.22)
    draw_curve(sheet, path, rng.uniform(1.8, 2.8))
    fork = path[int(len(path) * rng.uniform(0.3, 0.6))]
    branch = walk(
        rng, fork[0], fork[1], heading + rng.choice((-1, 1)) * rng.uniform(0.5, 0.9), rng.uniform(15, 35), 0.28
    )
    draw_curve(sheet, branch, rng.uniform(1.2, 2.0))
    return Defect(crack=sheet)


def missing(rng: np.random.Generator, specimen: Specimen) -> Defect:
    """A component that was not fitted: bare pads, or an open screw hole."""
    names = ("U2", "L1", "Q1", "Q2", "Q3", "C1", "C2", "R1", "J1", "S1", "S2", "S3", "S4")
    return Defect(removed=choose(rng, specimen, names).name)


def choose(rng: np.random.Generator, specimen: Specimen, names: tuple[str, ...]) -> Component:
    name = names[int(rng.integers(0, len(names)))]
    return next(component for component in specimen.components if component.name == name)


DRAW: dict[str, Callable[[np.random.Generator, Specimen], Defect]] = {
    "scratch": scratch,
    "stain": stain,
    "misprint": misprint,
    "void": void,
    "overheat": overheat,
    "cold": cold,
    "crack": crack,
    "missing": missing,
}
