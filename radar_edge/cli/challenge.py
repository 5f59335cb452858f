"""`radar-edge challenge LINE.yaml`: known-bad parts at the start of a shift. Knows what an operator wants to see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say

if TYPE_CHECKING:
    from radar_edge.config import LineConfig
    from radar_edge.runtime.challenge import Attempt, Challenge


def register(app: typer.Typer) -> None:
    @app.command("challenge")
    def challenge(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line; without --images it is running.")],
        by: Annotated[str, typer.Option(help="Who answers for it: a name for the record.")],
        parts: Annotated[int, typer.Option(min=1, help="So many known-bad parts come next on the line.")] = 3,
        timeout_s: Annotated[
            float, typer.Option("--timeout-s", min=1, help="Without a part for so long it fails.")
        ] = 60,
        images: Annotated[
            Path | None,
            typer.Option(help="Judge known-bad parts from this folder: <modality>/<name>, or a data set's."),
        ] = None,
        product: Annotated[
            int | None, typer.Option(help="With --images: the number of a product in line.yaml; default: `bundle`.")
        ] = None,
        allow_unsigned: Annotated[
            bool, typer.Option("--allow-unsigned", help="With --images: take a bundle that nobody trusted has signed.")
        ] = False,
        json: JsonOption = False,
    ) -> None:
        """Demand that known-bad parts are rejected for what they show; exit code 1 if one was not.

        The result is appended to JOURNAL.challenges.jsonl beside the line's journal.
        """
        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.errors import ShortfallError, UsageError
        from radar_edge.runtime.challenge import challenges_file, keep, read_challenges

        config = resolve_paths(load_config(LineConfig, line), line.parent)
        if product is not None:
            if product not in config.products or images is None:
                raise UsageError(
                    "this product cannot be challenged so",
                    found=product,
                    wanted="--images and one of products "
                    + (", ".join(map(str, config.products)) or "(there are none)"),
                    next_step="on a running line the PLC selects the product",
                )
            config = config.of_product(product)
        path = challenges_file(config.journal.path)
        read_challenges(path)
        made = watched(config, parts, timeout_s) if images is None else judged(config, images, allow_unsigned)
        record = keep(path, made, by)
        say(f"recorded in {path}")
        if json:
            print_json(record)
        if not made.passed:
            missed = [f"{one.part}: {one.code} {one.reason}" for one in made.attempts if not one.caught]
            raise ShortfallError(
                "the line did not pass its challenge",
                faults=[*missed, *([made.trouble] if made.trouble else [])],
                found=f"{sum(one.caught for one in made.attempts)} of {made.wanted} known-bad parts caught",
                wanted="REJECT with reason ANOMALY or REVIEW for each, read by the PLC",
                next_step="let nothing pass: look at light, focus, temperature and bundle, then challenge it again",
            )
        say(f"passed: {len(made.attempts)} of {made.wanted} known-bad parts caught")


def watched(config: LineConfig, count: int, timeout_s: float) -> Challenge:
    """The next parts of the running line."""
    from radar_edge.clock import MonotonicClock
    from radar_edge.runtime.challenge import Challenge, Watch
    from radar_edge.runtime.stopping import stop_on_signals

    watch = Watch(config.journal.path)
    say(f"run {watch.run}: feed {count} known-bad parts, and nothing else")
    attempts = []
    with stop_on_signals() as stop:
        for attempt in watch.parts(count, timeout_s, MonotonicClock(), stop.wait):
            attempts.append(attempt)
            say(text_of(attempt))
        given_up = stop.is_set()
    trouble = None
    if len(attempts) < count:
        why = (
            "it was given up" if given_up else "the line ended" if watch.ended else f"no part came for {timeout_s:g} s"
        )
        trouble = f"{len(attempts)} of {count} parts came: {why}"
    return Challenge("line", count, tuple(attempts), trouble, watch.judged_by())


def judged(config: LineConfig, folder: Path, allow_unsigned: bool) -> Challenge:
    """Every part of a folder, by the line's bundle."""
    from radar_edge.data.pairs import find_parts
    from radar_edge.errors import UsageError
    from radar_edge.runtime.bench_parts import open_judge
    from radar_edge.runtime.challenge import CAUGHT, Attempt, Challenge

    modalities = [camera.modality for camera in config.cameras]
    files = find_parts(folder, modalities)
    if not files:
        raise UsageError(f"{folder} holds no images", wanted=f"<modality>/NAME.png with {' or '.join(modalities)}")
    attempts = []
    with open_judge(config, allow_unsigned=allow_unsigned) as judge:
        for name, part in files.items():
            verdict = judge.judge(part)
            caught = verdict.code.name == "REJECT" and verdict.reason.name in CAUGHT
            slug = verdict.subset.slug if verdict.subset else None
            attempts.append(
                Attempt(name, verdict.code.name, verdict.reason.name, slug, verdict.score, verdict.threshold, caught)
            )
            say(text_of(attempts[-1]))
        facts = {"images": str(folder), "bundle": judge.bundle_sha256}
    return Challenge("images", len(files), tuple(attempts), facts=facts)


def text_of(one: Attempt) -> str:
    score = (
        "no score" if one.score is None or one.threshold is None else f"score {one.score:.3f} of {one.threshold:.3f}"
    )
    return f"{'caught' if one.caught else 'MISSED'}  {one.part}: {one.code} {one.reason}, {score}"
