"""`radar-edge demo`: the whole chain in one go, and one screen at the end that says how it went."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.errors import DatasetError, ShortfallError, StorageError, UsageError

if TYPE_CHECKING:
    from radar_edge.data.layouts import Dataset, Sample
    from radar_edge.simulation.script import Outcome

SEED = 0
MARK = ".radar-edge-demo"
ANYWHERE = "any"
"""Stands for visible_in where a data set does not say it."""
PASS_AUROC = 0.90
"""What the default set must reach with the quick preset, on the defects that a subset can see."""
PULL_AT, RESTORE_AT = 1 / 3, 2 / 3
"""When the last camera's plug is pulled and put back, as shares of the run: 20 s and 40 s of 60 s."""


@dataclass
class Stopwatch:
    """Seconds of each step, for the screen and the JSON."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        say(f"== {text}")
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    data: Annotated[Path | None, typer.Option(help="Your images instead of generated ones.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything; an old demo in it is replaced.")] = Path("demo"),
    preset: Annotated[Literal["quick", "full"], typer.Option(help="Of the training.")] = "quick",
    line_s: Annotated[float, typer.Option(min=6, help="Seconds of line.")] = 60.0,
    parts_per_s: Annotated[float, typer.Option(min=0.5, max=20)] = 5.0,
    json: JsonOption = False,
) -> None:
    """Run it all: images, training, engines, and a line that loses a camera."""
    from radar_edge.data.layouts import index
    from radar_edge.simulation.script import Fault, Setting, run_script

    watch = Stopwatch()
    count = round(line_s * parts_per_s)
    if data is not None:
        if out.resolve() in (data.resolve(), *data.resolve().parents):
            raise UsageError(
                f"the images {data} lie in the folder {out}, which a demo empties", next_step="name another --out"
            )
        line_parts(index(data), count)
    with new_demo_folder(out) as folder:
        if data is None:
            with watch.step("synth", "synth: 600 generated parts, RGB and thermal"):
                run_synth(folder / "data")
        source = data or folder / "data"
        dataset = index(source)
        with watch.step("train", f"train: RADAR from scratch on {', '.join(dataset.modalities)}"):
            run_train(source, folder / "run", preset)
        with watch.step("build_engines", "build-engines: FP32, FP16 and INT8 engines for every subset"):
            run_build(folder / "run", source, folder / "bundle")
        with watch.step("evaluate", "evaluate: every engine on the test images"):
            metrics = run_evaluate(folder / "bundle", source, folder)
        samples = line_parts(dataset, count)
        lost = dataset.modalities[-1]
        story = f"line: {len(samples)} parts, {parts_per_s:g} a second; the {lost} camera is lost on the way"
        with watch.step("line", story):
            setting = Setting(folder / "bundle", tuple(dict(s.paths) for s in samples), parts_per_s)
            fault = Fault(lost, PULL_AT * line_s, RESTORE_AT * line_s)
            outcome = run_script(setting, fault, folder / "line", show_line())
    result = results(dataset, samples, outcome, metrics, watch.seconds, lost)
    show(result, out)
    faults = shortfalls(result, generated=data is None and preset == "quick")
    if json:
        print_json(result)
    if faults:
        raise ShortfallError("the demo fell short", faults=faults)


@contextmanager
def new_demo_folder(out: Path) -> Iterator[Path]:
    """An empty folder for the demo. Only a folder that a demo made is ever emptied."""
    mark = out / MARK
    try:
        if out.exists() and any(out.iterdir()) and not mark.exists():
            raise UsageError(f"{out} exists and was not made by a demo", next_step="name another with --out")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        mark.touch()
    except OSError as error:
        raise StorageError(f"cannot make the folder {out}", found=error.strerror) from error
    yield out


def line_parts(dataset: Dataset, count: int) -> list[Sample]:
    """Test parts for the line in a fixed random order, good and defective by turns, repeated as needed."""
    complete = [s for s in dataset.samples if s.split == "test" and set(s.paths) == set(dataset.modalities)]
    rng = random.Random(SEED)
    good = [s for s in complete if s.is_good]
    bad = [s for s in complete if not s.is_good]
    if not good or not bad:
        raise DatasetError(
            "the line needs good and defective test parts that have every modality",
            found=f"{len(good)} good, {len(bad)} defective",
            wanted="test/good and at least one other folder in test/",
        )
    rng.shuffle(good)
    rng.shuffle(bad)
    # Two good parts to a defect: enough of each kind for the counts of a minute to mean something.
    return [bad[n // 3 % len(bad)] if n % 3 == 2 else good[(n - n // 3) % len(good)] for n in range(count)]


def results(
    dataset: Dataset,
    samples: list[Sample],
    outcome: Outcome,
    metrics: Mapping[str, Any],
    seconds: Mapping[str, float],
    lost: str,
) -> dict[str, Any]:
    """Everything that the screen and the JSON say."""
    from radar_edge.simulation.script import failover_ms
    from radar_edge.simulation.summary import Part, bits, tally

    truth = {n: Part(s.cls, None if s.is_good else truth_of(s)) for n, s in enumerate(samples, 1)}
    phases = tally(outcome.rows, truth, dataset.modalities, outcome.pulled_ns, outcome.restored_ns)
    return {
        "auroc": {slug: m["image_auroc"] for slug, m in metrics["subsets"].items()},
        "lost": lost,
        "failover_ms": failover_ms(outcome, bits(lost, dataset.modalities)),
        "parts": len(samples),
        "verdicts": {name: outcome.summary[name] for name in ("pass", "reject", "no_decision")},
        # A part that passed while the PLC had stopped the line was answered by nobody either.
        "missing_verdicts": outcome.summary["missing"] + outcome.summary["stopped"],
        "late_verdicts": outcome.summary["late"],
        "false_ack": outcome.summary["false_ack"],
        "phases": {name: counts.document() for name, counts in phases.items()},
        "seconds": dict(seconds),
    }


def truth_of(sample: Sample) -> str:
    return sample.visible_in.slug if sample.visible_in else ANYWHERE


def shortfalls(result: Mapping[str, Any], *, generated: bool) -> list[str]:
    """What fell short of what the demo promises."""
    faults = []
    if generated:
        low = {slug: auroc for slug, auroc in result["auroc"].items() if not (auroc or 0) >= PASS_AUROC}
        faults += [f"image AUROC of {slug} is {figure(auroc)}, wanted {PASS_AUROC}" for slug, auroc in low.items()]
    for key in ("missing_verdicts", "late_verdicts", "false_ack"):
        if result[key]:
            faults.append(f"{key.replace('_', ' ')}: {result[key]}, wanted 0")
    during = result["phases"]["during"]["engines"]
    if result["lost"] and len(result["auroc"]) > 1:
        if result["failover_ms"] is None:
            faults.append(f"no part was judged without the {result['lost']} camera after it was lost")
        before, after = (result["phases"][name]["engines"] for name in ("before", "after"))
        whole = max(result["auroc"], key=lambda slug: slug.count("_"))
        if not before.get(whole) or not after.get(whole):
            faults.append(f"the {whole} engine did not judge before the loss and again after it")
        if not set(during) - {whole, "none"}:
            faults.append("no other engine judged during the loss")
    return faults


def run_synth(folder: Path) -> None:
    from radar_edge.cli import synth

    synth.synth(folder)


def run_train(source: Path, folder: Path, preset: Literal["quick", "full"]) -> None:
    from radar_edge.cli import train

    train.train(source, folder, preset)


def run_build(run: Path, source: Path, bundle: Path) -> None:
    from radar_edge.cli import build_engines

    build_engines.build_engines(run, source, bundle)


def show_line() -> Callable[[int, int], None]:
    """A line of text every ten seconds' worth of parts."""
    shown = [0]

    def report(done: int, total: int) -> None:
        if done - shown[0] >= max(total // 6, 1) or (done == total and shown[0] != total):
            shown[0] = done
            say(f"   {done}/{total} parts")

    return report


def run_evaluate(bundle: Path, source: Path, folder: Path) -> dict[str, Any]:
    from radar_edge.cli import evaluate

    return evaluate.evaluate(bundle, source, report=folder / "report.html", out=folder / "metrics.json")


def figure(value: float | None) -> str:
    """Three decimals; a dash where the data set does not define it."""
    return "-" if value is None else f"{value:.3f}"


def show(result: Mapping[str, Any], out: Path) -> None:
    """The one screen."""
    subsets = Table()
    for slug in result["auroc"]:
        subsets.add_column(slug, justify="right")
    subsets.add_row(*(figure(auroc) for auroc in result["auroc"].values()))
    phases = Table()
    shown_in = sorted({slug for counts in result["phases"].values() for slug in counts["defects"]})
    for column in ("phase", "parts", "judged by", "false rejects", *(f"escapes {slug}" for slug in shown_in)):
        phases.add_column(column, no_wrap=column == "judged by")
    for name, counts in result["phases"].items():
        phases.add_row(
            name,
            str(counts["parts"]),
            ", ".join(f"{slug} {n}" for slug, n in sorted(counts["engines"].items())),
            f"{counts['false_rejects']} of {counts['good']}",
            *(f"{counts['escapes'].get(slug, 0)} of {counts['defects'].get(slug, 0)}" for slug in shown_in),
        )
    say("Image AUROC on the test parts, each subset on the defects that it can see")
    console.print(subsets)
    say(f"The line as the PLC saw it, while {result['lost']} was lost in between; escapes by where the defect shows")
    console.print(phases)
    verdicts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in result["verdicts"].items())
    failover = "none" if result["failover_ms"] is None else f"{result['failover_ms']:.0f} ms"
    say(f"{result['parts']} parts: {verdicts}; missing {result['missing_verdicts']}, late {result['late_verdicts']}")
    say(f"from the kill to the first part judged without {result['lost']}: {failover}")
    say(f"false acknowledges: {result['false_ack']}")
    say("seconds: " + ", ".join(f"{name} {seconds:g}" for name, seconds in result["seconds"].items()))
    say(f"report {out}/report.html, bundle {out}/bundle")
    say(f"journal {out}/line/journal.sqlite, what the PLC did {out}/line/plc.jsonl")
