"""Commands about what is held on a subject: export it, and erase it by two people."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    JsonOption,
    emit,
    instant,
    opened_existing,
    signed_in,
)


def erase(
    home: HomeOption,
    by: ByOption,
    before: Annotated[
        int | None,
        typer.Option(metavar="DATE", parser=instant, help="Erase what was recorded before; UTC."),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(help="Erase what names this plate, VIN, container, party or driver."),
    ] = None,
    why: Annotated[str, typer.Option(help="Why, for the second person.")] = "",
    *,
    due: Annotated[
        bool, typer.Option("--due", help="Erase what is due by retention.toml of the home.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose an erasure; the same command of a second person approves it and erases."""
    from api.audit.erasure import Criteria, ErasureSteps, read_schedule
    from api.auth.accounts import Accounts
    from api.service.runtime import open_network
    from engine.journal.receipts import open_signer
    from features.online.crossing_index import read_plan

    if (before is not None) + (subject is not None) + due != 1:
        raise typer.BadParameter("name one of --before, --subject and --due")
    with opened_existing(home) as (found, store):
        signed_in(found, store, by)
        criteria = Criteria(before, subject, read_schedule(found) if due else None)
        with store.read() as connection:
            plan = read_plan(connection)
        accounts = Accounts(store, open_network(found))
        result = asdict(
            ErasureSteps(found, store, accounts, open_signer(found), plan, by).erase(criteria, why)
        )
    emit(result, as_json=as_json, text=lambda: _print_result(result))


def _print_result(result: dict[str, Any]) -> None:
    if result["state"] == "proposed":
        typer.echo(f"proposed: {result['records']:,} records; nothing is erased yet")
        typer.echo("a second person approves with the same command within 30 days")
    else:
        typer.echo(f"erased: the bodies of {result['records']:,} records, by {result['by'][1]}")
        typer.echo(f"proposed by {result['by'][0]}; copies in backups are not reached")
    if result["loaded"]:
        typer.echo(f"of the loaded history: {result['loaded']:,} crossings, acts and finds")
    if result["waiting"]:
        typer.echo(f"kept: {result['waiting']:,} vehicles that wait in a queue")
    if result["in_force"]:
        typer.echo(f"kept: {result['in_force']:,} entries in force; retire them first")
    if not result["is_overwritten"]:
        typer.echo("a reader still holds the deleted content: run VACUUM when it is done")


def subject(
    home: HomeOption,
    identifier: Annotated[str, typer.Argument(help="A plate, VIN, container, party or driver.")],
    by: ByOption,
    out: Annotated[Path | None, typer.Option(help="A file to write; the terminal else.")] = None,
) -> None:
    """Export what is held on a subject as JSON; every record that is read is recorded first."""
    from api.audit.erasure import export_subject
    from api.auth.accounts import Accounts
    from api.service.runtime import open_network

    with opened_existing(home) as (found, store):
        signed_in(found, store, by)
        accounts = Accounts(store, open_network(found))
        held = export_subject(found, store, accounts, identifier, by=by)
    text = json.dumps(held, ensure_ascii=False, indent=1)
    if out is None:
        typer.echo(text)
    else:
        out.touch(mode=0o600)
        out.write_text(text + "\n", "utf-8")
