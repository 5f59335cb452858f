"""`radar-edge plc test`: commissions a link to a PLC step by step, and says what is wrong at the first that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radar_edge.cli.output import JsonOption, print_json, say
from radar_edge.errors import ShortfallError, UsageError

if TYPE_CHECKING:
    from radar_edge.runtime.plc.link import PlcLink

LOOK_S = 0.02
SAFE = 3
"""NO_DECISION: a link that is being tested tells no PLC to let a part through."""


def register(app: typer.Typer) -> None:
    plc = typer.Typer(help="Commission the link to the PLC.", no_args_is_help=True)
    plc.command("test")(commission)
    app.add_typer(plc, name="plc")


def commission(
    port: Annotated[str, typer.Option("--port", help="Device path of the serial port.")],
    driver: Annotated[str, typer.Option("--driver", help="modbus-slave, modbus-master or ascii.")] = "modbus-slave",
    baud: Annotated[int, typer.Option("--baud")] = 115200,
    parity: Annotated[str, typer.Option("--parity", help="none, even or odd.")] = "none",
    stop_bits: Annotated[int, typer.Option("--stop-bits")] = 1,
    unit_id: Annotated[int, typer.Option("--unit-id", help="Modbus address.")] = 1,
    wait_s: Annotated[float, typer.Option("--wait-s", min=0.1, help="For each step.")] = 30.0,
    json: JsonOption = False,
) -> dict[str, Any]:
    """Open the port, hear the PLC, see its heartbeat and a trigger, answer NO_DECISION, see it acknowledged."""
    from radar_edge.clock import MonotonicClock
    from radar_edge.runtime.plc import open_link

    config = plc_config(driver, port, baud, parity, stop_bits, unit_id)
    passed: list[str] = []
    with open_link(config, MonotonicClock()) as link:
        say(f"ok    the port {port} is open")
        passed.append("port")
        for name, meaning, done, hint in steps(link):
            if not wait_for(done, link, wait_s):
                found = link.trouble or "nothing that would say why"
                say(f"fail  {meaning}")
                if json:
                    print_json({"passed": passed, "failed": name, "found": found})
                raise ShortfallError(
                    f"step {name!r} did not happen within {wait_s:g} s", found=found, wanted=meaning, next_step=hint
                )
            say(f"ok    {meaning}")
            passed.append(name)
    result = {"passed": passed, "failed": None, "found": None}
    if json:
        print_json(result)
    return result


def plc_config(driver: str, port: str, baud: int, parity: str, stop_bits: int, unit_id: int) -> Any:
    from pydantic import TypeAdapter, ValidationError

    from radar_edge.config import Plc

    if driver == "line":
        raise UsageError("two pins say nothing back: measure them while `radar-edge run` judges parts")
    settings = {"driver": driver, "port": port, "baud": baud, "parity": parity, "stop_bits": stop_bits}
    if driver.startswith("modbus"):
        settings["unit_id"] = unit_id
    try:
        return TypeAdapter(Plc).validate_python(settings)
    except ValidationError as error:
        faults = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise UsageError("these settings cannot be used", faults=faults) from error


Step = tuple[str, str, Callable[[], bool], str]
"""Name, what it means, whether it has happened, and what to do if it does not."""


def steps(link: PlcLink) -> Iterator[Step]:
    seen: dict[str, Any] = {"trigger": None, "states": []}

    def trigger_came() -> bool:
        seen["trigger"] = link.wait_trigger(LOOK_S)
        return seen["trigger"] is not None

    def has(state: str) -> Callable[[], bool]:
        def found() -> bool:
            seen["states"] += [delivery.state.value for delivery in link.take_deliveries()]
            return state in seen["states"]

        return found

    yield (
        "heartbeat",
        "the PLC's heartbeat moves",
        lambda: link.plc_alive,
        "check the wires (A/B or RX/TX crossed?), baud, parity and unit; let the PLC count in its heartbeat register",
    )
    yield "trigger", "the PLC announces a part", trigger_came, "let the PLC write 0 and then a new trigger id"
    answer(link, seen["trigger"].trigger_id)
    yield (
        "verdict",
        "the PLC reads our NO_DECISION for it",
        has("shown"),
        "let the PLC read the block of twelve registers, code included, and (ascii) acknowledge what it got",
    )
    yield (
        "acknowledge",
        "the PLC acknowledges its sequence",
        has("acknowledged"),
        "let the PLC write the verdict's sequence to its register 1",
    )


def answer(link: PlcLink, trigger_id: int) -> None:
    from radar_edge.records import Code, Reason, Verdict

    verdict = Verdict(trigger_id, Code(SAFE), Reason.STOPPED)
    far_ns = time.monotonic_ns() + 3_600_000_000_000
    link.publish(verdict, wire_score=1000, subset_bits=0, deadline_ns=far_ns)


def wait_for(done: Callable[[], bool], link: PlcLink, wait_s: float) -> bool:
    """Beats as an inspection loop does, but never READY."""
    from radar_edge.runtime.plc.link import StatusBit

    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s:
        link.beat(StatusBit(0), [])
        if done():
            return True
        time.sleep(LOOK_S)
    return False
