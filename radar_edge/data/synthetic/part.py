"""The part: components, materials, and how one specimen differs from the next. Knows no camera and no defect.

A motor controller in a die-cast aluminium housing on an anodised pallet. Part units: 256 across the field of
view, which is 80 mm wide; x to the right, y down.

Emissivities: Vollmer and Moellmann, Infrared Thermal Imaging (2nd ed. 2018), appendix tables; Incropera et al.,
Fundamentals of Heat and Mass Transfer (7th ed.), table A.11. Heat and bond conductances are of the order found in the
thermal data of such components (JEDEC JESD51 resistances junction to board); they are plausible, not of one product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

UNITS = 256
"""Part units across the field of view."""
UNIT_M = 0.080 / UNITS

Kind = Literal["heatsink", "chip", "transistor", "inductor", "capacitor", "connector", "passive", "resistor", "screw"]


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks and radiates.

    Albedo in linear RGB; `gloss` the share of mirror-like light; `grain` and `brush` the relative contrast of its
    texture, isotropic and along x; `emissivity` in the long-wave infrared.
    """

    albedo: tuple[float, float, float]
    gloss: float
    grain: float
    brush: float
    emissivity: float


MATERIALS = {
    "pallet": Material((0.050, 0.054, 0.062), 0.05, 0.16, 0.0, 0.84),
    "cast": Material((0.34, 0.345, 0.35), 0.20, 0.10, 0.0, 0.42),
    "pocket": Material((0.22, 0.225, 0.23), 0.12, 0.10, 0.0, 0.46),
    "plate": Material((0.52, 0.52, 0.51), 0.25, 0.02, 0.13, 0.34),
    "board": Material((0.020, 0.105, 0.050), 0.10, 0.05, 0.0, 0.91),
    "copper": Material((0.045, 0.190, 0.085), 0.12, 0.03, 0.0, 0.90),
    "silk": Material((0.55, 0.56, 0.53), 0.02, 0.02, 0.0, 0.92),
    "anodised": Material((0.028, 0.028, 0.031), 0.16, 0.08, 0.04, 0.83),
    "epoxy": Material((0.030, 0.030, 0.032), 0.08, 0.10, 0.0, 0.93),
    "mark": Material((0.24, 0.24, 0.23), 0.02, 0.05, 0.0, 0.93),
    "ferrite": Material((0.115, 0.110, 0.108), 0.05, 0.14, 0.0, 0.90),
    "tin": Material((0.55, 0.54, 0.52), 0.45, 0.03, 0.0, 0.30),
    "can": Material((0.50, 0.50, 0.50), 0.35, 0.02, 0.06, 0.36),
    "sleeve": Material((0.025, 0.032, 0.085), 0.15, 0.02, 0.0, 0.92),
    "nylon": Material((0.50, 0.43, 0.29), 0.10, 0.04, 0.0, 0.94),
    "ceramic": Material((0.26, 0.17, 0.10), 0.10, 0.06, 0.0, 0.90),
    "steel": Material((0.40, 0.395, 0.385), 0.40, 0.04, 0.0, 0.38),
    "hole": Material((0.010, 0.010, 0.011), 0.0, 0.05, 0.0, 0.95),
    "ink": Material((0.018, 0.018, 0.022), 0.04, 0.02, 0.0, 0.34),
}
"""Ink, marks and copper are thin films: the thermal picture takes what lies below them."""


@dataclass(frozen=True, slots=True)
class Component:
    """One thing that is fitted: a box or disc (`corner` = half its width), `rise` above its ground.

    Lengths in part units; `power_w` is its heat at nominal load; `contact` the conductance to the board in W/(m^2 K).
    """

    name: str
    kind: Kind
    x: float
    y: float
    width: float
    height: float
    rise: float
    material: str
    power_w: float
    contact: float
    corner: float = 1.0
    turn_deg: float = 0.0

    @property
    def area_m2(self) -> float:
        return self.width * self.height * UNIT_M**2


HOUSING = (128.0, 128.0, 218.0, 200.0, 15.0)
"""Centre x and y, width, height, corner."""
POCKET = (128.0, 101.0, 172.0, 122.0, 9.0)
BOARD = (128.0, 101.0, 166.0, 116.0, 3.0)
PLATE = (128.0, 196.0, 150.0, 44.0, 4.0)

FLAT = ((128, 94), (140, 94), (152, 94), (164, 94), (120, 130), (132, 130), (144, 130), (156, 130), (168, 130))
UPRIGHT = ((115, 58), (115, 70), (115, 82), (160.5, 60), (160.5, 72), (120, 147), (128, 147))
"""Centres of the small parts that lie along x and along y."""
CORNERS = ((32, 41), (224, 41), (32, 215), (224, 215))

COMPONENTS = (
    Component("U1", "heatsink", 80, 77, 56, 50, 9.0, "anodised", 3.2, 2500),
    Component("U2", "chip", 138, 70, 32, 32, 3.0, "epoxy", 0.85, 1500),
    Component("L1", "inductor", 181, 69, 27, 27, 7.0, "ferrite", 0.50, 900, corner=4.0),
    Component("Q1", "transistor", 124, 113, 16, 18, 3.0, "epoxy", 0.36, 2200),
    Component("Q2", "transistor", 146, 113, 16, 18, 3.0, "epoxy", 0.36, 2200),
    Component("Q3", "transistor", 168, 113, 16, 18, 3.0, "epoxy", 0.36, 2200),
    Component("C1", "capacitor", 62, 130, 25, 25, 11.0, "sleeve", 0.06, 350, corner=12.5),
    Component("C2", "capacitor", 92, 130, 25, 25, 11.0, "sleeve", 0.06, 350, corner=12.5),
    Component("J1", "connector", 198, 126, 20, 54, 8.0, "nylon", 0.12, 250, corner=2.0),
    Component("R1", "resistor", 150, 147, 22, 10, 2.5, "epoxy", 0.22, 2000),
    *(Component(f"P{n}", "passive", x, y, 9, 5, 1.8, "ceramic", 0.0, 2000, 0.6) for n, (x, y) in enumerate(FLAT)),
    *(Component(f"P{n}", "passive", x, y, 5, 9, 1.8, "ceramic", 0.0, 2000, 0.6) for n, (x, y) in enumerate(UPRIGHT, 9)),
    *(Component(f"S{n}", "screw", x, y, 17, 17, 4.0, "steel", 0.0, 5000, 8.5) for n, (x, y) in enumerate(CORNERS, 1)),
)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the part lies in the view: shift in part units, turn in degrees about the middle."""

    dx: float
    dy: float
    turn_deg: float


@dataclass(frozen=True, slots=True)
class Light:
    """The lamps at one shot: gain, slope of the illumination across the view (1/view), colour shift, direction."""

    gain: float
    slope_x: float
    slope_y: float
    warmth: float
    azimuth_deg: float
    elevation_deg: float


@dataclass(frozen=True, slots=True)
class Specimen:
    """One part at one shot. `texture_seed`, `rgb_seed` and `tir_seed` draw its surface and the two cameras' noise."""

    components: tuple[Component, ...]
    pose: Pose
    parallax: tuple[float, float]
    light: Light
    texture: float
    ambient_c: float
    base_rise_k: float
    sink: float
    nuc_seed: int
    texture_seed: int
    rgb_seed: int
    tir_seed: int


def draw_specimen(rng: np.random.Generator, ambient_c: float, nuc_seed: int) -> Specimen:
    """A good specimen: pose within 3 units and 1 degree, components within tolerance, its own load and light."""
    load = math.exp(rng.normal(0, 0.13))
    texture_seed, rgb_seed, tir_seed = (int(seed) for seed in rng.integers(0, 2**31, 3))
    return Specimen(
        components=tuple(vary(component, load, rng) for component in COMPONENTS),
        pose=Pose(rng.uniform(-3, 3), rng.uniform(-3, 3), rng.uniform(-1, 1)),
        parallax=(2.0 + rng.uniform(-0.4, 0.4), 0.5 + rng.uniform(-0.4, 0.4)),
        light=Light(
            gain=math.exp(rng.normal(0, 0.13)),
            slope_x=rng.normal(0, 0.14),
            slope_y=rng.normal(0, 0.14),
            warmth=rng.normal(0, 0.035),
            azimuth_deg=225 + rng.normal(0, 12),
            elevation_deg=52 + rng.normal(0, 4),
        ),
        texture=math.exp(rng.normal(0, 0.25)),
        ambient_c=ambient_c + rng.normal(0, 0.5),
        base_rise_k=9.0 * load * math.exp(rng.normal(0, 0.12)),
        sink=math.exp(rng.normal(0, 0.08)),
        nuc_seed=nuc_seed,
        texture_seed=texture_seed,
        rgb_seed=rgb_seed,
        tir_seed=tir_seed,
    )


def vary(component: Component, load: float, rng: np.random.Generator) -> Component:
    """Placed within about 0.7 units, heat within 10 % of the load, bond within 12 % (2 sigma); screws end anyhow."""
    turn = rng.uniform(0, 90) if component.kind == "screw" else rng.normal(0, 0.5)
    return replace(
        component,
        x=component.x + rng.normal(0, 0.35),
        y=component.y + rng.normal(0, 0.35),
        turn_deg=turn,
        power_w=component.power_w * load * math.exp(rng.normal(0, 0.05)),
        contact=component.contact * math.exp(rng.normal(0, 0.06)),
    )
