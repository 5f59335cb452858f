"""`radar-edge keys`: the key that signs our bundles, and the keys whose bundles are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from radar_edge.cli.output import JsonOption, console, print_json, say


def register(app: typer.Typer) -> None:
    keys = typer.Typer(help="Your signing key, and the keys that you trust.", no_args_is_help=True)
    keys.command("list")(list_keys)
    keys.command("create")(create)
    keys.command("trust")(trust)
    keys.command("rotate")(rotate)
    app.add_typer(keys, name="keys")


def list_keys(json: JsonOption = False) -> None:
    """List the trusted keys and where they are."""
    from radar_edge.bundle import keys_folder
    from radar_edge.bundle.signing import PUBLIC, key_id, public_keys

    folder = keys_folder()
    found = [(key_id(key), path.name, path.name == PUBLIC) for path, key in public_keys(folder).items()]
    table = Table("key", "file", "whose")
    for identity, file, own in found:
        table.add_row(identity, file, "your own" if own else "trusted")
    say(f"{len(found)} key(s) in {folder}")
    if found:
        console.print(table)
    if json:
        keys = [{"key_id": identity, "file": file, "own": own} for identity, file, own in found]
        print_json({"folder": str(folder), "keys": keys})


def create(json: JsonOption = False) -> None:
    """Make your own signing key, once."""
    from radar_edge.bundle import create_key, keys_folder

    folder = keys_folder()
    signer = create_key(folder)
    say(f"made the key {signer.key_id} in {folder}; units trust your bundles once they have signing.pub")
    if json:
        print_json({"folder": str(folder), "key_id": signer.key_id})


def trust(
    key: Annotated[Path, typer.Argument(help="Their signing.pub.")],
    name: Annotated[str, typer.Option("--name", help="Whose it is; the file's name here.")],
    json: JsonOption = False,
) -> None:
    """Trust bundles that another key signed, from now on and for everyone who uses this folder."""
    from radar_edge.bundle import keys_folder, trust_key

    identity = trust_key(keys_folder(), key, name)
    say(f"bundles signed with {identity} are trusted now, as {name}; take {name}.pub away to undo that")
    if json:
        print_json({"key_id": identity, "name": name})


def rotate(json: JsonOption = False) -> None:
    """Make a new signing key; what the old one signed stays trusted, and it signs nothing more."""
    from radar_edge.bundle import keys_folder, rotate_key

    folder = keys_folder()
    old, signer = rotate_key(folder)
    say(f"new signing key {signer.key_id} in {folder}; the old one {old} is retired, its bundles stay trusted here")
    say(f"give the new signing.pub to every unit; if {old} has leaked, take retired-{old}.pub away on every machine")
    if json:
        print_json({"folder": str(folder), "key_id": signer.key_id, "retired": old})
