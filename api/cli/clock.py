"""``darvoza clock``: whether the journal follows the wall clock, and a person's word on it."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.auth.permissions import Role
from api.cli.common import HomeOption, JsonOption, emit, opened_existing, opened_to_read, signed_in
from engine.domain.time_units import rfc3339
from engine.errors import ConflictError, NotAllowedError

if TYPE_CHECKING:
    from engine.journal.clock import Reading

MAY_ACCEPT = frozenset({Role.SUPERVISOR, Role.INTEGRITY, Role.ADMINISTRATOR})

clock = typer.Typer(help="The clock of the journal.", no_args_is_help=True)


@clock.command("show")
def show(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show the journal's time, and whether the wall clock is followed."""
    from engine.journal.journal import Journal

    with opened_to_read(home) as (_, store), store.read() as connection:
        reading = Journal(store).reading(connection)
    emit(_reading_as_json(reading), as_json=as_json, text=lambda: _print(reading))


@clock.command("accept")
def accept(
    home: HomeOption,
    by: Annotated[str, typer.Option("--as", help="Who says that the wall clock is right.")],
    why: Annotated[str, typer.Option(help="Why it jumped, for the journal.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Follow the wall clock again after a jump, with your password; a record says who said so."""
    from engine.journal.clock import ClockProjection, draft_acceptance
    from engine.journal.journal import Journal

    with opened_existing(home) as (found, store):
        role = signed_in(found, store, by)
        if role not in MAY_ACCEPT:
            raise NotAllowedError(f"the role {role} does not accept the clock")
        journal = Journal(store, [ClockProjection()])
        with store.read() as connection:
            reading = journal.reading(connection)
        if not reading.is_held:
            raise ConflictError("clock", "", "the wall clock is followed already")
        journal.append([draft_acceptance(reading, by=by, why=why)])
    result = _reading_as_json(reading) | {"accepted_by": by}
    emit(result, as_json=as_json, text=lambda: typer.echo(f"time is {_wall(reading)} from now on"))


def _reading_as_json(reading: "Reading") -> dict[str, Any]:
    return {
        "time": rfc3339(reading.now),
        "wall_clock": _wall(reading),
        "is_held": reading.is_held,
        "ahead_seconds": reading.ahead / 1_000_000,
    }


def _print(reading: "Reading") -> None:
    typer.echo(f"time of the journal: {rfc3339(reading.now)}")
    typer.echo(f"wall clock:          {_wall(reading)}")
    if reading.is_held:
        side = "ahead" if reading.ahead > 0 else "behind"
        typer.echo(f"the wall clock is {timedelta(microseconds=abs(reading.ahead))} {side}")
        typer.echo(
            "it is NOT followed: where it is right, darvoza clock accept --as NAME --why WHY"
        )
    else:
        typer.echo("the wall clock is followed")


def _wall(reading: "Reading") -> str:
    return rfc3339(reading.now + reading.ahead)
