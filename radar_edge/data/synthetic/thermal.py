"""The temperature of the part's surface, and the thermal camera's picture of it. Knows nothing of visible light.

A thin sheet in steady state, cell by cell (finite volumes):

    -div(S grad T) + g (T - T_base) = q          S = conductivity x thickness [W/K], q [W/m^2]

The body of a component stands on the sheet through the conductance c of its bond and is cooled by the air:
q_c = c (T_top - T) + h (T_top - T_air). Eliminating T_top leaves one equation for the sheet.
Apparent temperature of a grey body: Vollmer and Moellmann, Infrared Thermal Imaging, section 1.4:
T_app^4 = e T^4 + (1 - e) T_reflected^4. Solver: conjugate gradients on the equation scaled by S^(-1/2) (Concus and
Golub, SIAM Journal on Numerical Analysis 10, 1973), preconditioned by a cosine transform, which inverts the uniform
sheet exactly.

Raw counts are centi-kelvin: kelvin = 0.01 count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from radar_edge.data.synthetic.defects import NONE, Defect
from radar_edge.data.synthetic.part import BOARD, HOUSING, MATERIALS, PLATE, POCKET, UNIT_M, Component, Specimen
from radar_edge.data.synthetic.raster import Grid, Map, smooth_noise, soften

Field: TypeAlias = npt.NDArray[np.float64]

KELVIN = 273.15
COUNTS_PER_K = 100
NETD_K = 0.05
"""Noise-equivalent temperature difference of an uncooled microbolometer (maker's data sheets: 30 to 60 mK)."""
STRIPE_K = 0.03
SHADING_K = 0.25
LENS_SIGMA = 0.6
"""Pixels: an f/1 lens at 12 um pitch, diffraction and detector footprint together."""

AIR_H = 15.0
"""W/(m^2 K), natural convection and radiation of a small warm body."""
FIN_GAIN = 6.0
"""Fin area over base area times fin efficiency."""
SHEET = {"pallet": 0.10, "gap": 0.008, "cast": 0.14, "board": 0.028}
"""S in W/K: die-cast alloy of 96 W/(m K), 1.5 mm; board of 18 W/(m K) with its copper, 1.6 mm; air and seal."""
EDGE_SIGMA = 0.8
"""Pixels: no edge of S is sharper than the grid, which also keeps the solver quick."""
TO_BASE = {"pallet": 400.0, "cast": 500.0, "board": 190.0}
"""g in W/(m^2 K): dowels and air under the pallet, housing on its floor, board on its gap pad."""
VOID_LEAK = 0.32
"""Share of a bond's conductance left over a void: gas instead of solder or paste, edges included."""
CRACK_LEAK = 0.02
CRACK_EMISSIVITY = 0.95
"""A crack is a cavity: nearly black whatever it is made of."""


@dataclass(slots=True, eq=False)
class Layers:
    """Maps `[H, W]` of what the equations need: S in W/K, conductances in W/(m^2 K), power in W/m^2, base in K."""

    sheet: Map
    to_base: Map
    base: Map
    power: Map
    bond: Map
    air: Map
    body: Map
    emissivity: Map


def thermal_counts(specimen: Specimen, size: int, defect: Defect = NONE) -> Field:
    """The picture `[size, size]` in centi-kelvin before it is rounded."""
    grid = Grid(size, specimen.pose, specimen.parallax)
    layers = layers_of(specimen, grid, defect)
    rise = surface_rise(layers, grid.unit)
    ambient = specimen.ambient_c + KELVIN
    surface = ambient + rise.astype(np.float64)
    seen = (layers.emissivity * surface**4 + (1 - layers.emissivity) * (ambient - 1.0) ** 4) ** 0.25
    focused = cv2.GaussianBlur(seen, (0, 0), LENS_SIGMA * size / 128)
    return np.asarray((focused + sensor_error(specimen, size)) * COUNTS_PER_K, np.float64)


def sensor_error(specimen: Specimen, size: int) -> Map:
    """Kelvin: noise, row and column stripes left by the last non-uniformity correction, slow shading since it."""
    fixed = np.random.default_rng(specimen.nuc_seed)
    rng = np.random.default_rng(specimen.tir_seed)
    column = STRIPE_K * (fixed.standard_normal(size) + 0.5 * rng.standard_normal(size))
    row = STRIPE_K * (fixed.standard_normal(size) + 0.5 * rng.standard_normal(size))
    shading = SHADING_K * smooth_noise(rng, size, size / 4, size / 4) * rng.uniform(0.3, 1)
    noise = NETD_K * rng.standard_normal((size, size))
    return np.asarray(noise + column[None, :] + row[:, None] + shading, np.float32)


def layers_of(specimen: Specimen, grid: Grid, defect: Defect) -> Layers:
    """The part and its pallet as maps."""
    shape = (grid.size, grid.size)

    def full(value: float) -> Map:
        return np.full(shape, value, np.float32)

    layers = Layers(
        sheet=full(SHEET["pallet"]),
        to_base=full(TO_BASE["pallet"]),
        base=full(0.0),
        power=full(0.0),
        bond=full(1.0),
        air=full(AIR_H),
        body=full(0.0),
        emissivity=full(MATERIALS["pallet"].emissivity),
    )
    outline = grid.box(*HOUSING)
    housing = grid.coverage(outline)
    blend(layers.sheet, grid.along(outline + 1.0, 1.0), SHEET["gap"])
    blend(layers.sheet, grid.coverage(outline + 2.0), SHEET["cast"])
    blend(layers.to_base, housing, TO_BASE["cast"])
    blend(layers.base, housing, specimen.base_rise_k)
    blend(layers.emissivity, housing, MATERIALS["cast"].emissivity)
    blend(layers.emissivity, grid.coverage(grid.box(*PLATE)), MATERIALS["plate"].emissivity)
    blend(layers.emissivity, grid.coverage(grid.box(*POCKET)), MATERIALS["pocket"].emissivity)
    board_edge = grid.box(*BOARD)
    board = grid.coverage(board_edge)
    blend(layers.sheet, grid.along(board_edge, 1.5), SHEET["gap"])
    blend(layers.sheet, grid.coverage(board_edge + 1.5), SHEET["board"])
    blend(layers.to_base, board, TO_BASE["board"] * specimen.sink)
    blend(layers.emissivity, board, MATERIALS["board"].emissivity)
    for component in specimen.components:
        fit(layers, grid, component, defect)
    hurt(layers, grid, defect, housing)
    return layers


def hurt(layers: Layers, grid: Grid, defect: Defect, housing: Map) -> None:
    """Bubbles in bonds, and cracks through the casting and all that stands on it."""
    if defect.void is not None:
        bubble = grid.sample(soften(defect.void, grid.unit))
        layers.bond *= 1 - (1 - VOID_LEAK) * bubble
    if defect.crack is not None:
        gap = grid.sample(soften(defect.crack, grid.unit)) * housing
        layers.sheet *= np.exp(np.float32(np.log(CRACK_LEAK)) * np.minimum(1.5 * gap, 1))
        blend(layers.emissivity, gap, CRACK_EMISSIVITY)


def fit(layers: Layers, grid: Grid, component: Component, defect: Defect) -> None:
    """Put a component on the board, or leave it out."""
    box = (component.x, component.y, component.width, component.height, component.corner, component.turn_deg)
    cover = grid.coverage(grid.box(*box))
    if defect.removed == component.name:
        if component.kind == "screw":
            hole = (component.x, component.y, 10.0, 10.0, 5.0)
            blend(layers.emissivity, grid.coverage(grid.box(*hole)), MATERIALS["hole"].emissivity)
        return
    watts = component.power_w
    if defect.dead == component.name:
        watts = 0.0
    if defect.extra_w is not None and defect.extra_w[0] == component.name:
        watts += defect.extra_w[1]
    layers.power += cover * np.float32(watts / component.area_m2)
    blend(layers.bond, cover, component.contact)
    blend(layers.body, cover, 1.0)
    if component.kind == "heatsink":
        blend(layers.air, cover, AIR_H * FIN_GAIN)
    blend(layers.emissivity, cover, MATERIALS[component.material].emissivity)
    if component.kind == "capacitor":
        top = (component.x, component.y, component.width - 4, component.height - 4, component.corner - 2)
        blend(layers.emissivity, grid.coverage(grid.box(*top)), MATERIALS["can"].emissivity)


def blend(target: Map, cover: Map, value: float) -> None:
    """Replace `target` by `value` where `cover` is 1, in place."""
    target += cover * (np.float32(value) - target)


def surface_rise(layers: Layers, unit: float) -> Map:
    """Temperature of the visible surface over ambient, `[H, W]` in K."""
    # A component hands down c/(c + h) of its heat and cools the sheet through c h/(c + h); bare sheet meets the air.
    bond, air, body = layers.bond, layers.air, layers.body
    handed = 1 - body + body * bond / (bond + air)
    sink = layers.to_base + handed * air
    source = handed * layers.power + layers.to_base * layers.base
    cell = np.float32((unit * UNIT_M) ** 2)
    spread = np.exp(cv2.GaussianBlur(np.log(layers.sheet), (0, 0), EDGE_SIGMA))
    sheet = solve_sheet(spread, sink * cell, source * cell)
    top = (layers.power + bond * sheet) / (bond + air)
    return np.asarray(sheet + body * (top - sheet), np.float32)


def solve_sheet(conductance: Map, sink: Map, source: Map, *, tolerance: float = 1e-4, most: int = 300) -> Map:
    """T `[H, W]` in K of `-div(S grad T) + sink T = source`, no flow through the rim; W/K and W a cell.

    `H` and `W` even. Stops when the residual is `tolerance` of the source's norm.
    """
    s, leak = conductance.astype(np.float64), sink.astype(np.float64)
    across, down = harmonic(s[:, 1:], s[:, :-1]), harmonic(s[1:], s[:-1])
    scale = 1 / np.sqrt(s)
    spectrum = uniform_spectrum(s.shape) + float(np.mean(leak / s))
    temperature = np.zeros_like(s)
    residual = source.astype(np.float64)
    enough = tolerance**2 * inner(residual, residual)
    direction, energy = np.zeros_like(s), 1.0
    for _ in range(most):
        step = scale * cv2.idct(cv2.dct(scale * residual) / spectrum)
        before, energy = energy, inner(residual, step)
        direction = step + energy / before * direction
        flow = drain(direction, leak, across, down)
        length = energy / inner(direction, flow)
        temperature += length * direction
        residual -= length * flow
        if inner(residual, residual) <= enough:
            return temperature.astype(np.float32)
    raise ArithmeticError(f"the heat equation did not converge in {most} steps")


def inner(a: Field, b: Field) -> float:
    """Without BLAS: its threads would make the last digits depend on the machine's load."""
    return float((a * b).sum())


def drain(t: Field, leak: Field, across: Field, down: Field) -> Field:
    """What leaves each cell at temperatures `t`, W."""
    out = leak * t
    flow = across * (t[:, 1:] - t[:, :-1])
    out[:, :-1] -= flow
    out[:, 1:] += flow
    flow = down * (t[1:] - t[:-1])
    out[:-1] -= flow
    out[1:] += flow
    return out


def harmonic(a: Field, b: Field) -> Field:
    """Conductance between the middles of two cells in series."""
    return 2 * a * b / (a + b)


def uniform_spectrum(shape: tuple[int, ...]) -> Field:
    """Eigenvalues of the five-point Laplacian with closed rims under the cosine transform."""
    rows, columns = (2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in shape)
    return np.asarray(rows[:, None] + columns[None, :])
