"""From the frames of one part to its verdict. Knows no thread, link, journal or deadline.

route -> preprocess -> engine -> score -> p-value and code. Every stage's time goes into the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from radar_edge.clock import NS_PER_MS, NS_PER_S, Clock
from radar_edge.config import RoutingConfig
from radar_edge.errors import UsageError
from radar_edge.inference.runner import Inference, Runner
from radar_edge.modality import Subset
from radar_edge.preprocess import Preprocess, check_image
from radar_edge.records import Code, Frame, HealthReport, Reason, Verdict
from radar_edge.runtime.pairing import together
from radar_edge.runtime.plc.link import Trigger
from radar_edge.runtime.routing import DegradedRun, Route, route
from radar_edge.scoring import TOP_SHARE, Band, Calibration, image_score

VERDICTS: Mapping[Band, tuple[Code, Reason]] = {
    "ok": (Code.PASS, Reason.GOOD),
    "review": (Code.REJECT, Reason.REVIEW),
    "ng": (Code.REJECT, Reason.ANOMALY),
}


class Inspector:
    """The engines of a bundle, warm, and what their scores mean. Use it from the thread that opened the engines."""

    def __init__(
        self,
        engines: Mapping[Subset, Runner],
        calibrations: Mapping[Subset, Calibration],
        preprocess: Preprocess,
        modalities: Sequence[str],
        policy: RoutingConfig,
        clock: Clock,
        max_skew_ns: int = NS_PER_S,
    ) -> None:
        self._engines = engines
        self._calibrations = calibrations
        self._preprocess = preprocess
        self._modalities = modalities
        self._policy = policy
        self._run = DegradedRun(policy)
        self._max_skew_ns = max_skew_ns
        self._clock = clock
        self.last: Inference | None = None
        """What the engine said of the last part; None where none judged it."""

    def inspect(self, trigger: Trigger, frames: Mapping[str, Frame], reports: Mapping[str, HealthReport]) -> Verdict:
        """Judge one part by those of its `frames` (by modality) whose cameras are well.

        A frame of a kind that the model was not trained with counts as not delivered. Raises ValueError for a frame
        of another trigger; what an engine raises passes through.
        """
        strangers = [frame.trigger_id for frame in frames.values() if frame.trigger_id != trigger.trigger_id]
        if strangers:
            raise ValueError(f"frames of the triggers {strangers} offered for {trigger.trigger_id}")
        self.last = None
        watch = _StopWatch(self._clock, trigger.received_ns)
        watch.lap("frames")
        fitting = self._fitting(together(frames, self._max_skew_ns))
        way = self._run.take(route(fitting, reports, self._policy, list(self._engines), self._modalities))
        if way.subset is None:
            return Verdict(
                trigger.trigger_id,
                way.code or Code.NO_DECISION,
                way.reason or Reason.NO_ENGINE,
                degraded=way.degraded,
                latency_ms=watch.laps(),
            )
        watch.age("frame_age", max(frames[name].stamp_ns for name in way.subset))
        inputs = self._preprocess({name: frames[name].image for name in way.subset})
        watch.lap("preprocess")
        self.last = inference = self._engines[way.subset].infer(inputs)
        watch.lap("engine")
        return self._judge(trigger, way, way.subset, inference, watch)

    @property
    def stopped(self) -> bool:
        """Whether no more degraded part is judged until complete ones came."""
        return self._run.over

    def reset(self) -> None:
        """Forget the run of degraded parts, and with it the stop that it may have led to."""
        self._run = DegradedRun(self._policy)

    def _fitting(self, frames: Mapping[str, Frame]) -> list[str]:
        """The modalities whose frame is of the kind that the model was trained with; another kind is not judged."""
        fitting = []
        for name, frame in frames.items():
            with suppress(UsageError):
                check_image(self._preprocess.modalities[name], frame.image, name)
                fitting.append(name)
        return fitting

    def _judge(self, trigger: Trigger, way: Route, subset: Subset, inference: Inference, watch: _StopWatch) -> Verdict:
        if not np.isfinite(inference.anomaly_map).all():
            return Verdict(
                trigger.trigger_id,
                Code.NO_DECISION,
                Reason.ENGINE_FAULT,
                subset=subset,
                degraded=way.degraded,
                latency_ms=watch.laps(),
            )
        calibration = self._calibrations[subset]
        score = image_score(inference.anomaly_map)
        code, reason = VERDICTS[calibration.band(score)]
        p_value, shares = calibration.p_value(score), contributions(inference, subset)
        watch.lap("score")
        return Verdict(
            trigger.trigger_id,
            way.code or code,
            way.reason or reason,
            subset=subset,
            degraded=way.degraded,
            score=score,
            threshold=calibration.threshold,
            p_value=p_value,
            contributions=shares,
            latency_ms=watch.laps(),
        )


def contributions(inference: Inference, subset: Subset) -> dict[str, float]:
    """Mean attention of each modality where the map is hottest (the pixels that make the score); they sum to 1."""
    if inference.contribution is None:
        return dict.fromkeys(subset, 1.0)
    heat = inference.anomaly_map[0, 0]  # [H, W]
    alpha = inference.contribution[0]  # [M, h, w]
    count = max(1, round(TOP_SHARE * heat.size))
    rows, columns = np.divmod(np.argpartition(heat, -count, axis=None)[-count:], heat.shape[1])
    rows, columns = rows * alpha.shape[1] // heat.shape[0], columns * alpha.shape[2] // heat.shape[1]
    return {name: float(alpha[i, rows, columns].mean()) for i, name in enumerate(subset)}


class _StopWatch:
    """Milliseconds from one lap to the next, beginning at the trigger."""

    def __init__(self, clock: Clock, start_ns: int) -> None:
        self._clock = clock
        self._start_ns = self._last_ns = start_ns
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now_ns = self._clock.now_ns()
        self._laps[name] = (now_ns - self._last_ns) / NS_PER_MS
        self._last_ns = now_ns

    def age(self, name: str, stamp_ns: int) -> None:
        """How long ago the last lap ended after `stamp_ns`; no lap of its own."""
        self._laps[name] = (self._last_ns - stamp_ns) / NS_PER_MS

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": (self._last_ns - self._start_ns) / NS_PER_MS}
