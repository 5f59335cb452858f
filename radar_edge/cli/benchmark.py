"""`radar-edge benchmark`: RADAR and external detectors on one set, with images missing in test and in training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say
from radar_edge.cli.progress import progress_bar, shower
from radar_edge.cli.train import read_settings
from radar_edge.errors import MissingPackageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LINE_EVERY_S = 30.0
WRITTEN = ("results.json", "tables.md", "auroc.svg")
BENCH_PYTHON = Path(".venv-bench/bin/python")


def register(app: typer.Typer) -> None:
    app.command("benchmark")(benchmark)


def benchmark(
    kind: Annotated[
        str,
        typer.Argument(
            help="miiad: a set with two modalities or more; mi-mvtec: a high-passed copy (derived), or depth; mi-mt: "
            "the next exposure; mi-toycar: the channels of recordings (tested on a fixture only)."
        ),
    ],
    data: Annotated[Path, typer.Option("--data", help="Image folder, or the set as it was unpacked.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for results.json, tables.md, auroc.svg and losses/.")],
    work: Annotated[
        Path | None, typer.Option("--work", help="Where trainings and cells are kept. Default: OUT/work.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few steps, one seed, no losses in training; says so in the tables.")
    ] = False,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also RADAR without MAA, MRF (mean, concat) and modality dropout.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="This alone (again for more). Default: radar patchcore padim stpm cutpaste."),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("--with", help="Also this one: draem or efficientad (hours without a GPU).")
    ] = None,
    preset: Annotated[
        Literal["quick", "full"],
        typer.Option(help="RADAR's recipe, as in train; at its size_px, whatever the images' size."),
    ] = "quick",
    config: Annotated[
        Path | None, typer.Option(help="YAML that overrides the preset; its size_px is every method's.")
    ] = None,
    peer_steps: Annotated[
        int | None, typer.Option(min=1, help="Of external detectors that train. Default: their own.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many, from 0. Default: 3, with --quick 1.")] = None,
    bench_python: Annotated[
        Path, typer.Option("--bench-python", help="Python of the external detectors' environment.")
    ] = BENCH_PYTHON,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weights", metavar="METHOD=FILE", help="Weights that an external detector starts from."),
    ] = None,
    json: JsonOption = False,
) -> dict[str, Any]:
    """Compare detectors when images are missing. Stopped and called again, it goes on."""
    try:
        from radar_edge.benchmark import run as running
        from radar_edge.training.train import PRESETS
    except ModuleNotFoundError as error:
        raise MissingPackageError(error.name or "torch", "train", "benchmark") from error
    from radar_edge.benchmark.document import document_of
    from radar_edge.benchmark.kinds import kind_of, prepare

    kind_of(kind)
    names = chosen_methods(method, more, ablations)
    files = weights_of(weights)
    settings = running.Settings(recipe=read_settings(PRESETS[preset], config, None), peer_steps=peer_steps)
    if seeds is not None:
        settings = settings.model_copy(update={"seeds": tuple(range(seeds))})
    if quick:
        settings = running.quickened(settings)
    kept = work or out / "work"
    with progress_bar() as bar:
        show = with_lines(shower(bar))
        running.check_peers(names, settings.recipe.size_px, files)
        running.check_environment(names, bench_python)
        bench = running.Bench(prepare(kind, data, kept, show), settings, kept, out, show, say)
        say(f"{kind} on {data}: {', '.join(bench.prepared.dataset.modalities)}; methods {', '.join(names)}")
        cells = running.run(bench, running.methods_of(names, bench, bench_python, files))
        document = document_of(kind, data, bench, cells)
    write(document, out)
    if json:
        print_json(document)
    return document


def with_lines(show: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    """Also a line now and then where there is no terminal: this takes hours, and its output goes into a file."""
    last_s = time.monotonic()

    def both(stage: str, done: int, total: int) -> None:
        nonlocal last_s
        show(stage, done, total)
        if not console.is_terminal and time.monotonic() - last_s > LINE_EVERY_S:
            last_s = time.monotonic()
            say(f"{stage} {done}/{total}")

    return both


def chosen_methods(method: Sequence[str] | None, more: Sequence[str] | None, ablations: bool) -> list[str]:
    """Names without repetition. Raises UsageError for one that is none."""
    from radar_edge.benchmark.ablations import VARIANTS
    from radar_edge.benchmark.peer_method import MORE_PEERS, PEERS
    from radar_edge.benchmark.results import RADAR

    names = [*(method or (RADAR, *PEERS)), *(VARIANTS if ablations else ()), *(more or ())]
    known = [*VARIANTS, *PEERS, *MORE_PEERS]
    wrong = [name for name in names if name not in known]
    wrong += [name for name in more or () if name not in MORE_PEERS]
    if wrong:
        raise UsageError(
            "there is no such method", found=", ".join(dict.fromkeys(wrong)),
            wanted=f"--method {', '.join(known)}; --with {', '.join(MORE_PEERS)}",
        )  # fmt: skip
    return list(dict.fromkeys(names))


def weights_of(given: Sequence[str] | None) -> dict[str, Path]:
    """Method -> file. Raises UsageError for what is not METHOD=FILE, or names no external detector or no file."""
    from radar_edge.benchmark.peer_method import MORE_PEERS, PEERS

    found = {}
    for one in given or ():
        method, _, file = one.partition("=")
        if method not in (*PEERS, *MORE_PEERS) or not Path(file).is_file():
            raise UsageError(
                "these weights cannot be used",
                found=one,
                wanted=f"METHOD=FILE, METHOD one of {', '.join((*PEERS, *MORE_PEERS))} and FILE a file",
            )
        found[method] = Path(file)
    return found


def write(document: Mapping[str, Any], out: Path) -> None:
    from radar_edge.benchmark.plot import plot
    from radar_edge.benchmark.tables import markdown
    from radar_edge.files import write_json, write_text

    write_json(out / "results.json", document)
    write_text(out / "tables.md", markdown(document))
    write_text(out / "auroc.svg", plot(document))
    console.print(table(document))
    if document["quick"]:
        say("quick: few steps and one seed; not to be quoted")
    for leak in document["leak"]:
        alone = f"leak: {leak['control']} alone separates the test parts, AUROC {leak['auroc']:.3f}"
        console.print(f"{alone}. {leak['why']}", style="yellow", markup=False)
    hours = sum(cost["cpu_hours"] for cost in document["methods"].values())
    say(f"{hours:.2f} CPU hours in all; written: {', '.join(str(out / name) for name in WRITTEN)}")


def table(document: Mapping[str, Any]) -> Table:
    """Image AUROC: nothing missing, and each loss in test and training; a line of methods."""
    from radar_edge.benchmark.tables import by_method, figure, setting_of, title

    settings = {setting_of(row): title(row, document) for row in document["rows"]}
    methods = by_method(document["rows"])
    shown = Table(caption="image AUROC of all test parts together; 95 % interval over groups", caption_justify="left")
    shown.add_column("test parts")
    for method in methods:
        shown.add_column(method, justify="right", no_wrap=True)
    cells = {name: {setting_of(row): figure(row, "image_auroc") for row in mine} for name, mine in methods.items()}
    for setting, text in settings.items():
        shown.add_row(text, *(below(cells[name].get(setting, "")) for name in methods))
    return shown


def below(figure: str) -> str:
    """The interval on a line of its own, as in the other commands' tables."""
    return figure.replace(" [", "\n").replace(", ", "–").removesuffix("]")
