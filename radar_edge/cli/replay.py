"""`radar-edge replay JOURNAL`: journalled parts judged again from their kept frames."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radar_edge.cli.output import JsonOption, console, print_json, say

if TYPE_CHECKING:
    from radar_edge.runtime.rejudge import Again

SHOWN = 10


def register(app: typer.Typer) -> None:
    @app.command("replay")
    def replay(
        path: Annotated[Path, typer.Argument(metavar="JOURNAL", help="The journal; it may be in use by a line.")],
        bundle: Annotated[Path, typer.Option("--bundle", help="The bundle that judges again.")],
        evidence: Annotated[Path, typer.Option("--evidence", help="The folder of kept frames.")],
        engine: Annotated[str, typer.Option(help="The back end.")] = "onnxruntime",
        product: Annotated[
            int | None, typer.Option(help="Of a line with products: the number of the bundle's, in line.yaml.")
        ] = None,
        precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
        json: JsonOption = False,
    ) -> None:
        """Judge kept parts again; exit code 1 if there is a difference."""
        from dataclasses import asdict

        from radar_edge.bundle import open_bundle
        from radar_edge.errors import ShortfallError
        from radar_edge.inference.runner import open_runner
        from radar_edge.runtime.journal_file import read_events, read_parts, read_runs
        from radar_edge.runtime.rejudge import kept_parts, of_product, rejudge

        opened = open_bundle(bundle)
        kept = kept_parts(evidence)
        runs = {row["run"]: row["facts"] for row in read_runs(path)}
        rows = of_product(read_parts(path), read_events(path), runs, product)
        with ExitStack() as stack:
            engines = {
                subset: stack.enter_context(
                    open_runner(engine, opened.path(opened.engine(subset, precision).file), subset, precision)
                )
                for subset in opened.subsets
            }
            found = list(rejudge(rows, kept, opened, engines, precision, runs))
        other = [one for one in found if one.differs]
        for one in other[:SHOWN]:
            say(text_of(one))
        say(f"{len(found)} of {len(rows)} journalled parts judged again, {len(other)} differ")
        if json:
            print_json({"parts": len(rows), "judged": len(found), "differences": [asdict(one) for one in other]})
        if other:
            raise ShortfallError(
                "some parts are judged otherwise now",
                found=f"{len(other)} of {len(found)}",
                next_step="is it the bundle of that run? Another network or threshold judges otherwise",
            )
        console.print("every verdict is the same", style="green")


def text_of(one: Again) -> str:
    return (
        f"run {one.run} part {one.part} (trigger {one.trigger_id}), {one.subset}: "
        f"score {one.score_before:.4f} -> {one.score:.4f}, {one.code_before} -> {one.code}"
    )
