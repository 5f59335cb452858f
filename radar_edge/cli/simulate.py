"""`radar-edge simulate LINE.yaml --faults F`: one's own line rehearsed, with every fault that a plant knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radar_edge.cli.output import JsonOption, print_json, say


def register(app: typer.Typer) -> None:
    @app.command("simulate")
    def simulate(
        line: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line; its PLC and port are simulated.")],
        faults: Annotated[Path, typer.Option("--faults", metavar="FAULTS.yaml", help="What goes wrong, and when.")],
        out: Annotated[Path, typer.Option("--out", help="New folder for the run's journal, logs and PLC record.")],
        allow_unsigned: Annotated[
            bool, typer.Option("--allow-unsigned", help="Take a bundle that nobody trusted has signed.")
        ] = False,
        json: JsonOption = False,
    ) -> None:
        """Rehearse a line: its cameras and engines, a simulated PLC, and faults on demand.

        Exit code 1 if a part had no verdict, came late, or a fault was not noticed as it should be.
        """
        from radar_edge.config import LineConfig, load_config, resolve_paths
        from radar_edge.errors import ShortfallError
        from radar_edge.files import write_json
        from radar_edge.simulation.faults import FaultPlan
        from radar_edge.simulation.rehearsal import rehearse, unfinished
        from radar_edge.simulation.rehearsal_report import findings

        config = resolve_paths(load_config(LineConfig, line), line.parent.resolve())
        plan = load_config(FaultPlan, faults)
        say(f"{round(plan.seconds * plan.parts_per_s)} parts in {plan.seconds:g} s, {len(plan.faults)} faults")
        run = rehearse(config, plan, out, allow_unsigned=allow_unsigned, report=say)
        found = findings(run, config)
        found["faults"] += [f"{name} did not come to its end" for name in unfinished(plan, run.done)]
        write_json(out / "findings.json", found)
        for fault in found["rehearsed"]:
            told = "not told" if fault["told_ms"] is None else f"told after {fault['told_ms']:g} ms"
            what = " ".join(fault["causes"]) if "causes" in fault else (fault["told"] or "")
            say(f"{fault['at_s']:6.1f} s  {fault['fault']:<12} {fault.get('camera', ''):<14} {told}  {what}")
        missing = found["missing_beside_wire_faults"]
        say(f"{found['parts']} parts: {found['outcomes']}; missing beside wire faults: {missing}")
        if json:
            print_json(found)
        if found["faults"]:
            raise ShortfallError("the line did not keep its promises", faults=found["faults"][:10], found=str(out))
