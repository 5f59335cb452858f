"""A unit's own plans, opened for use: only on the unit that they were built on. Knows no line.

What a plan depends on is compared before anything is deserialised: a plan for another TensorRT or GPU may crash it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from radar_edge.bundle.device_record import Device, Unit
from radar_edge.inference.runner import Runner
from radar_edge.inference.tensorrt_runner import Session, TensorRtRunner, open_session
from radar_edge.modality import Subset


def open_plans(
    stack: ExitStack, device: Device, subsets: Sequence[Subset], cuda: str, root: Path = Path("/")
) -> Mapping[Subset, Runner]:
    """One Runner a Subset for this thread, closed with `stack` and before the session that they share.

    Raises BundleError if the plans are of another unit or software, CudaError, MissingPackageError.
    """
    session = stack.enter_context(open_session(cuda))
    device.check_unit(unit_of(session, l4t_release(root)))
    engines: dict[Subset, Runner] = {}
    for subset in subsets:
        entry = device.entry(subset)
        plan = device.plans[entry.subset]
        engines[subset] = stack.enter_context(
            TensorRtRunner(plan, subset, entry.precision, session, mapped=entry.mapped)
        )
    return engines


def unit_of(session: Session, l4t: str | None) -> Unit:
    """The unit as it is now."""
    facts = session.device.facts
    return Unit(gpu=facts.name, compute_capability=facts.compute_capability, tensorrt=session.trt.__version__, l4t=l4t)


def l4t_release(root: Path = Path("/")) -> str | None:
    """NVIDIA's Linux release, such as 36.4.3, as /etc/nv_tegra_release has it; None where that file is not there."""
    path = root / "etc/nv_tegra_release"
    if not path.is_file():
        return None
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", path.read_text(errors="replace"))
    return f"{found[1]}.{found[2]}" if found else "unknown"
