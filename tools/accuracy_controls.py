"""What the shipped recipe is held against, on the same parts: the network untrained, one-line baselines, brightness.

And what only it is asked: parts that lost a camera, and which modality the fusion listens to. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from accuracy_judging import STRATA, AllJudged, Verdicts, calibrations_of, judged_in_the_dark

from radar_edge.evaluation.contribution import contribution_of, detected_alone
from radar_edge.evaluation.evaluate import Judged, Progress, judge, sees
from radar_edge.evaluation.measure import asked_of
from radar_edge.evaluation.measure import separation as separation_of
from radar_edge.evaluation.missing import judge_filled, protocol
from radar_edge.evaluation.rivals import Numbers, leaks, numbers_of, oriented, rivals_of, scored
from radar_edge.evaluation.scalars import BACKGROUND
from radar_edge.inference.runner import Runner
from radar_edge.modality import Subset, all_subsets
from radar_edge.models.radar import Radar
from radar_edge.training.checkpoint import TrainedRun
from radar_edge.training.torch_runner import TorchRunner

KEPT = ("image_auroc", "image_auroc_ci", "defects_are")


def untrained_runners(run: TrainedRun) -> dict[Subset, Runner]:
    """The network as its seed began it, before anything of the good parts was learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.document["config"]["seed"])
        model = Radar(run.model.config)
    return {subset: TorchRunner(model, subset) for subset in all_subsets(run.modalities)}


def add_controls(document: dict[str, Any], verdicts: Verdicts, progress: Progress) -> None:
    """Into the document of the shipped recipe: `controls`, `baselines`, `leak`, `missing`, `contribution`."""
    tests = verdicts.dataset.select("test")
    runners = untrained_runners(verdicts.run)
    untrained = judge(runners, tests, verdicts.run.preprocess, progress, "judge untrained")
    numbers = numbers_of(tests, progress)
    for subset, parts in verdicts.tested.items():
        own = document["subsets"][subset.slug]
        rivals = rivals_of(subset, parts, own, numbers, untrained[subset])
        for kind in ("baselines", "controls"):
            own[kind] = {name: kept(one) for name, one in rivals[kind].items()}
        own["beaten_by"] = rivals["beaten_by"]
        for column, value in ((c, v) for c in STRATA for v in own["strata"].get(c, {})):
            own["strata"][column][value] |= of_stratum(subset, parts, untrained[subset], numbers, (column, value))
    document["leak"] = leaks(tests, numbers)
    if document["dark_rgb"] is not None:
        dark = judged_in_the_dark(verdicts, runners[verdicts.complete], progress)
        document["dark_rgb_untrained"] = separation_of("auroc", dark)["auroc"]
    document["missing"] = missing_of(verdicts, runners, untrained, progress)
    document["contribution"] = listening(verdicts, untrained)


def kept(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one[key] for key in KEPT if key in one}


def of_stratum(
    subset: Subset, parts: Sequence[Judged], untrained: Sequence[Judged], numbers: Numbers, where: tuple[str, str]
) -> dict[str, Any]:
    """The controls on the parts of one stratum alone: `untrained`, and every baseline."""
    column, value = where
    mine = [part for part in asked_of(subset, parts) if part.sample.strata.get(column, "") == value]
    keys = {part.sample.key for part in mine}
    found = {}
    for name in next(iter(numbers.values())):
        modality, _, scalar = name.partition(".")
        if modality in subset and scalar != BACKGROUND:
            line = scored(mine, {key: one[name] for key, one in numbers.items() if name in one})
            found[name] = kept(oriented(subset, line))
    first = separation_of("image_auroc", [part for part in untrained if part.sample.key in keys])
    return {"controls": {"untrained": kept(first)}, "baselines": found}


def missing_of(
    verdicts: Verdicts, runners: Mapping[Subset, Runner], untrained: AllJudged, progress: Progress
) -> dict[str, Any] | None:
    """The missing-modality protocol; None with one modality.

    In each row two figures more: `untrained`, that network's calibrated one, and `perfect`, of a detector that misses
    nothing that the modalities left show, by what is said of the defects; None where of some defect nothing is said.
    """
    whole, preprocess = verdicts.complete, verdicts.run.preprocess
    if len(whole) == 1:
        return None
    parts = [part.sample for part in verdicts.tested[whole]]
    filled = judge_filled(verdicts.runners[whole], parts, preprocess, progress)
    found = protocol(verdicts.tested, filled, verdicts.calibrations)
    stage = "judge untrained held-out parts"
    held_out = judge(runners, [p.sample for p in verdicts.held_out[whole]], preprocess, progress, stage)
    # Only its calibrated figure is read: its own placeholders would cost two judgements a part for nobody's question.
    control = protocol(untrained, filled, calibrations_of(held_out))
    known = all(sample.is_good or sample.visible_in is not None for sample in parts)
    most = protocol(perfect(verdicts.tested), filled, verdicts.calibrations)["rows"] if known else None
    for n, (row, first) in enumerate(zip(found["rows"], control["rows"], strict=True)):
        row |= {"untrained": first["calibrated"], "perfect": most[n]["raw"] if most else None}
    return found


def perfect(judged: AllJudged) -> AllJudged:
    """Every defect that a Subset sees has the score 1, all other parts 0."""
    return {
        subset: [replace(p, score=float(not p.sample.is_good and sees(subset, p.sample))) for p in parts]
        for subset, parts in judged.items()
    }


def listening(verdicts: Verdicts, untrained: AllJudged) -> dict[str, Any] | None:
    """Of detected defects of one modality, how often it has the largest weight; the untrained network's beside it."""
    whole = verdicts.complete
    found = detected_alone(verdicts.tested[whole], verdicts.calibrations[whole].threshold)
    keys = {part.sample.key for part in found}
    shares = contribution_of(whole, found)
    if not shares:
        return None
    first = [part for part in untrained[whole] if part.sample.key in keys]
    return {"trained": shares, "untrained": contribution_of(whole, first)}
