"""Images judged by a line's own bundle, engines, routing and registration, without its cameras, PLC and journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from radar_edge.bundle import open_bundle
from radar_edge.clock import MonotonicClock
from radar_edge.config import LineConfig
from radar_edge.preprocess import read_image
from radar_edge.records import Cause, Frame, HealthReport, HealthState, Ne107, Verdict
from radar_edge.runtime.compose import product_of
from radar_edge.runtime.inspector import Inspector
from radar_edge.runtime.plc.link import Trigger


class Judge:
    """Parts one after another, every one as if all of its cameras were well."""

    def __init__(self, inspector: Inspector, bundle_sha256: str) -> None:
        self._inspector = inspector
        self._clock = MonotonicClock()
        self._count = 0
        self.bundle_sha256 = bundle_sha256

    def judge(self, files: Mapping[str, Path]) -> Verdict:
        """Raises DatasetError for a file that cannot be read."""
        self._count += 1
        trigger = Trigger(self._count, self._clock.now_ns())
        frames = {
            name: Frame(name, read_image(path), name, self._count, trigger.received_ns, self._count)
            for name, path in files.items()
        }
        well = {
            name: HealthReport(name, name, HealthState.OK, Cause.NONE, Ne107.GOOD, trigger.received_ns)
            for name in frames
        }
        return self._inspector.inspect(trigger, frames, well)


@contextmanager
def open_judge(config: LineConfig, *, allow_unsigned: bool = False) -> Iterator[Judge]:
    """Warm engines of the line. Raises BundleError, ConfigError, MachineError."""
    bundle = open_bundle(config.bundle, allow_unsigned=allow_unsigned)
    product = product_of(config, bundle)
    with ExitStack() as stack:
        engines = product.open_engines(stack)
        for engine in engines.values():
            engine.warm_up()
        inspector = Inspector(
            engines, product.calibrations, product.preprocess, bundle.modalities, config.routing, MonotonicClock()
        )
        yield Judge(inspector, bundle.sha256)
