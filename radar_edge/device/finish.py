"""From a bundle to a unit's own plans: built here, tested against the bundle's references, signed with the unit's key.

    for each Subset: wanted precision -> build -> INT8 really INT8? -> self-test -> threshold of this very plan
                              \\______ a lower one fails: the next higher, with the reason ______/

Nothing falls back in silence: every reason stands in device.json. Knows no line and no camera. Run with a double of
TensorRT on an emulated GPU, not on a Jetson.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from radar_edge import __version__
from radar_edge.bundle import PRECISIONS, Bundle, EngineEntry, Precision, Signer
from radar_edge.bundle.device_record import (
    Device,
    DeviceRecord,
    PlanEntry,
    known_timing_cache,
    open_device,
    write_device,
)
from radar_edge.errors import BundleError, MachineError, ShortfallError, UsageError
from radar_edge.export.engine_build import Plan, PlanOptions, build_plan, check_int8, layer_precisions
from radar_edge.inference.plans import unit_of
from radar_edge.inference.runner import Runner
from radar_edge.inference.self_test import INPUTS, SelfTest, self_test
from radar_edge.inference.tensorrt_runner import Session, TensorRtRunner
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration, calibrate, image_score
from radar_edge.targets import Target

TIMED_RUNS = 20
SPARE_MIB = 600
"""What the builder needs beside its workspace and the weights, and the system beside the builder."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """What is to be built. `target`: the board's class by name, and what is known of it."""

    bundle: Bundle
    target_name: str
    target: Target
    precision: Precision
    l4t: str | None
    """As /etc/nv_tegra_release has it; None where this is no Jetson."""
    available_mib: int
    """Memory that is free now."""


def check(order: Order, session: Session) -> None:
    """Raises MachineError if this is another board than `order.target`, or it lacks memory."""
    found = session.device.facts.compute_capability
    if found != order.target.compute_capability:
        raise MachineError(
            f"this GPU is not that of a {order.target_name}",
            found=f"{session.device.facts.name}, compute capability {found}",
            wanted=order.target.compute_capability,
            next_step="name the board's own class with --target",
        )
    largest = max(order.bundle.path(entry.file).stat().st_size for entry in order.bundle.manifest.engines)
    needed = order.target.workspace_mib + 4 * largest // (1 << 20) + SPARE_MIB
    if order.available_mib < needed:
        raise MachineError(
            "there is not enough memory to build plans",
            found=f"{order.available_mib} MiB free",
            wanted=f"{needed} MiB",
            next_step="stop the desktop (systemctl isolate multi-user.target), add swap, and try again",
        )


def fits(folder: Path, order: Order, session: Session) -> Device | None:
    """The plans that are there, if they are good for this bundle and unit; what is wrong with them is not told."""
    try:
        device = open_device(folder, order.bundle.sha256)
        device.check_unit(unit_of(session, order.l4t))
    except BundleError:
        return None
    return device


def finish(order: Order, folder: Path, session: Session, signer: Signer, progress: Progress) -> DeviceRecord:
    """Build and test a plan for every Subset and write `folder`. Raises MachineError, and ShortfallError if a Subset
    has no plan that passes."""
    check(order, session)
    before = fits(folder, order, session)
    cache = known_timing_cache(folder, before) if before is not None else b""
    builder = Builder(order, session, progress, cache)
    entries, plans = [], {}
    for number, subset in enumerate(order.bundle.subsets):
        progress("plans", number, len(order.bundle.subsets))
        entry, plans[subset.slug] = builder.best(subset)
        entries.append(entry)
    progress("plans", len(entries), len(entries))
    record = DeviceRecord(
        schema_version=1,
        bundle=order.bundle.sha256,
        target=order.target_name,
        made_by=f"radar-edge {__version__}",
        timing_cache=sha256(builder.cache).hexdigest() if builder.cache else None,
        plans=tuple(entries),
        **unit_of(session, order.l4t).model_dump(),
    )
    write_device(folder, record, plans, builder.cache, signer)
    return record


class Builder:
    """Builds and tests the plans of one order; `cache` grows with every plan."""

    def __init__(self, order: Order, session: Session, progress: Progress, cache: bytes) -> None:
        self._order = order
        self._session = session
        self._progress = progress
        self.cache = cache

    def best(self, subset: Subset) -> tuple[PlanEntry, bytes]:
        """The plan of the wanted precision, or of the next higher one that passes. Raises ShortfallError."""
        reasons: list[str] = []
        for precision in tried(self._order.precision):
            try:
                entry = self._order.bundle.engine(subset, precision)
            except BundleError:
                reasons.append(f"{precision}: the bundle has no such engine")
                continue
            try:
                made, data = self._make(subset, entry)
            except ShortfallError as error:
                reasons.append(f"{precision}: {' '.join([error.problem, *error.faults])}")
                continue
            return made.model_copy(update={"instead_of": tuple(reasons)}), data
        raise ShortfallError(
            f"no plan of {subset} passes", faults=reasons, next_step="see what `radar-edge doctor` says"
        )

    def _make(self, subset: Subset, entry: EngineEntry) -> tuple[PlanEntry, bytes]:
        name = f"{subset} {entry.precision}"
        began = time.monotonic()
        plan = self._build(name, entry)
        build_s = time.monotonic() - began
        if entry.rounding is not None:
            # How many layers end in INT8 is for fusion to decide: none at all means that it did not take.
            check_int8(layer_precisions(self._session.trt, plan.data), 1)
        self._progress(f"{name}: test", 0, 2)
        times = {mapped: self._time(plan, subset, entry, mapped=mapped) for mapped in (True, False)}
        self._progress(f"{name}: test", 1, 2)
        mapped = times[True] <= times[False]
        with TensorRtRunner(plan.data, subset, entry.precision, self._session, mapped=mapped) as runner:
            runner.warm_up()
            tested = self_test(self._order.bundle, entry, runner)
            check_test(tested, entry)
            calibration, recalibrated = recalibrate(self._order.bundle, entry, runner)
        self._progress(f"{name}: test", 2, 2)
        made = PlanEntry(
            subset=subset.slug,
            precision=entry.precision,
            sha256=sha256(plan.data).hexdigest(),
            calibration=calibration,
            recalibrated=recalibrated,
            score_gap=tested.score_gap,
            flipped=tested.flipped,
            parts=tested.parts,
            build_s=round(build_s, 1),
            mapped=mapped,
            mapped_ms=times[True],
            staged_ms=times[False],
        )
        return made, plan.data

    def _build(self, name: str, entry: EngineEntry) -> Plan:
        def progress(phase: str, done: int, total: int) -> None:
            self._progress(f"{name}: {phase}", done, total)

        options = PlanOptions(workspace_mib=self._order.target.workspace_mib, timing_cache=self.cache)
        graph = self._order.bundle.path(entry.file).read_bytes()
        plan = build_plan(self._session.trt, graph, options, progress)
        self.cache = plan.timing_cache or self.cache
        return plan

    def _time(self, plan: Plan, subset: Subset, entry: EngineEntry, *, mapped: bool) -> float:
        """Median ms of a run."""
        with TensorRtRunner(plan.data, subset, entry.precision, self._session, mapped=mapped) as runner:
            runner.warm_up()
            inputs = {name: np.zeros(shape, np.float32) for name, shape in runner.shapes.items()}
            times = []
            for _ in range(TIMED_RUNS):
                began = time.perf_counter()
                runner.infer(inputs)
                times.append(1e3 * (time.perf_counter() - began))
        return round(median(times), 3)


def tried(precision: Precision) -> Sequence[Precision]:
    """`precision` and the higher ones, lowest first."""
    return PRECISIONS[PRECISIONS.index(precision) :: -1]


def check_test(tested: SelfTest, entry: EngineEntry) -> None:
    """The gate once more, with this plan. Raises ShortfallError."""
    faults = [] if tested.passed else [tested.text]
    if entry.gate is not None and tested.flipped > entry.gate.limits.flipped * tested.parts + 1:
        faults.append(
            f"{tested.flipped} of {tested.parts} reference parts are decided differently, "
            f"at most {entry.gate.limits.flipped:.1%} and one may be"
        )
    if faults:
        raise ShortfallError("the plan does not judge as its maker's engine did", faults=faults)


def recalibrate(bundle: Bundle, entry: EngineEntry, runner: Runner) -> tuple[Calibration, bool]:
    """The threshold of this plan from the reference parts; the bundle's own, and False, if they are too few for it."""
    with np.load(bundle.path(INPUTS), allow_pickle=False) as stored:
        groups: list[Any] = stored["group"].tolist()
        inputs = {name: stored[name] for name in runner.subset}
    scores = [
        image_score(runner.infer({name: batch[n : n + 1] for name, batch in inputs.items()}).anomaly_map)
        for n in range(len(groups))
    ]
    was = entry.calibration
    try:
        return calibrate(scores, was.target_frr, groups, ng_frr=was.ng_frr), True
    except UsageError:
        return was, False
