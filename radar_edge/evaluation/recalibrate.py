"""Thresholds of a bundle set anew on new good parts, without training: the same engines in a new signed bundle.

A bundle is immutable, so the old one stays as it is. Every engine judges the parts itself: an INT8 engine's scores
are not those of its FP32 sister.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from radar_edge import __version__, files
from radar_edge.bundle import Bundle, EngineEntry, Recalibrated, Signer, new_bundle, open_bundle
from radar_edge.data.layouts import Sample
from radar_edge.errors import UsageError
from radar_edge.evaluation.evaluate import Progress, can_judge, judge
from radar_edge.inference.runner import open_runner
from radar_edge.modality import Subset
from radar_edge.scoring import Calibration, calibrate, check_enough

BACKEND = "onnxruntime"
MOST_REJECTED = 0.5
"""Share of the new good parts that the present threshold may reject. Beyond it new thresholds would only hide that the
network does not know these parts: defects would pass with them."""


def recalibrate(
    bundle: Bundle,
    parts: Sequence[Sample],
    out: Path,
    signer: Signer,
    *,
    target_frr: float,
    ng_frr: float | None = None,
    replace: bool = False,
    progress: Progress = lambda *_: None,
) -> Bundle:
    """Write `out`: `bundle` with thresholds from `parts`, good ones that the network was not trained on.

    Raises UsageError with the number needed before any long work if some engine has too few parts, if `out` is
    taken or is the bundle itself, or if the network does not know such parts; DatasetError for an image that
    cannot be judged.
    """
    if out.resolve() == bundle.folder.resolve():
        raise UsageError(f"{out} is the bundle itself, and a bundle is never edited", next_step="name another --out")
    for subset in bundle.subsets:
        groups = {part.group for part in parts if can_judge(subset, part)}
        for rate in (target_frr, *([ng_frr] if ng_frr is not None else [])):
            require(subset, len(groups), rate)
    with new_bundle(out, signer, replace=replace) as writer:
        for file in bundle.manifest.files:
            writer.add(file, bundle.path(file).read_bytes())
        calibrations = calibrations_of(bundle, parts, target_frr, ng_frr, progress)
        check_known(bundle, calibrations)
        engines = tuple(
            entry.model_copy(update={"calibration": calibrations[entry.subset, entry.precision]})
            for entry in bundle.manifest.engines
        )
        origin = Recalibrated(bundle_sha256=bundle.sha256, data_sha256=digest(parts))
        changes = {"engines": engines, "recalibrated": origin, "created_by": f"radar-edge {__version__}"}
        writer.finish(bundle.manifest.model_copy(update=changes))
    return open_bundle(out, {signer.key_id: signer.key.public_key()})


def require(subset: Subset, groups: int, rate: float) -> None:
    try:
        check_enough(groups, rate)
    except UsageError as error:
        raise UsageError(
            f"{error.problem} with the engine {subset}",
            found=error.found,
            wanted=error.wanted,
            next_step=error.next_step,
        ) from error


def calibrations_of(
    bundle: Bundle, parts: Sequence[Sample], target_frr: float, ng_frr: float | None, progress: Progress
) -> dict[tuple[str, str], Calibration]:
    """(slug, precision) -> thresholds from what that very engine says of the parts."""
    found: dict[tuple[str, str], Calibration] = {}
    for precision in dict.fromkeys(entry.precision for entry in bundle.manifest.engines):
        entries = {subset: entry for subset in bundle.subsets if (entry := find(bundle, subset, precision))}
        with ExitStack() as stack:
            runners = {
                subset: stack.enter_context(open_runner(BACKEND, bundle.path(entry.file), subset, precision))
                for subset, entry in entries.items()
            }
            judged = judge(runners, parts, bundle.manifest.preprocess, progress, f"judge good parts, {precision}")
        for subset, goods in judged.items():
            scores, groups = [part.score for part in goods], [part.sample.group for part in goods]
            found[subset.slug, precision] = calibrate(scores, target_frr, groups, ng_frr=ng_frr)
    return found


def check_known(bundle: Bundle, calibrations: Mapping[tuple[str, str], Calibration]) -> None:
    """Raises UsageError if the present thresholds reject most of the new parts."""
    shares = {e: rejected_share(e, calibrations[e.subset, e.precision]) for e in bundle.manifest.engines}
    faults = [f"{e.subset} {e.precision}: {share:.0%}" for e, share in shares.items() if share > MOST_REJECTED]
    if faults:
        raise UsageError(
            "most of the new good parts are rejected at the present thresholds: the network does not know such parts",
            faults=faults,
            wanted=f"at most {MOST_REJECTED:.0%} by any engine",
            next_step="look at the images: if they are good parts of this product, train again with some of them",
        )


def rejected_share(entry: EngineEntry, new: Calibration) -> float:
    """Of the groups of `new`, by the entry's present threshold."""
    above = (w for score, w in zip(new.scores, new.weights, strict=True) if score > entry.calibration.threshold)
    return sum(above) / new.groups


def find(bundle: Bundle, subset: Subset, precision: str) -> EngineEntry | None:
    fitting = [e for e in bundle.manifest.engines if (e.subset, e.precision) == (subset.slug, precision)]
    return fitting[0] if fitting else None


def digest(parts: Sequence[Sample]) -> str:
    """Of every part's name and images."""
    return files.sha256_json({p.key: {m: files.sha256_file(path) for m, path in p.paths.items()} for p in parts})
