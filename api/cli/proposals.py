"""Commands by which two people decide: one proposes, another approves."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.common import ByOption, HomeOption, JsonOption, emit, open_desk
from engine.errors import InputError, RecordError


def propose(
    home: HomeOption,
    matter: Annotated[str, typer.Argument(help="agencies, oidc, profile, watchlist, ...")],
    by: ByOption,
    file: Annotated[
        Path | None, typer.Argument(help="The content (TOML); of some a file of the home.")
    ] = None,
    leaves: Annotated[str, typer.Option(help="A profile or entry that shall leave.")] = "",
    why: Annotated[str, typer.Option(help="Why it shall leave.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose something, or that something leaves, and print the number to approve it by."""
    from api.proposals.matters import list_matters
    from engine.domain.records import StatedReason

    if leaves and not why:
        raise InputError("--why", "say why it shall leave")
    found = list_matters().get(matter)
    if found is None:
        known = ", ".join(list_matters())
        raise RecordError("proposal", "matter", "unknown_enumeration", f"one of {known}")
    if not leaves and file is None and not found.file:
        raise InputError(matter, "name the file of the content")
    content = None if leaves else found.read_content(file or home / found.file)
    with open_desk(home, by) as desk:
        if content is None:
            result = desk.retire(found, leaves, StatedReason(reason=why))
        else:
            result = desk.propose(found, content)
    number = result.receipt.sequence
    emit(asdict(result) | {"number": number}, as_json=as_json, text=str(number))


def approve(
    home: HomeOption,
    number: Annotated[int, typer.Argument(min=1, help="What propose printed.")],
    by: ByOption,
    note: Annotated[str | None, typer.Option(help="For the journal.")] = None,
    *,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Let a profile match without selecting.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Approve what waits under a number; never by the person who began it."""
    from api.proposals.matters import Approval

    with open_desk(home, by) as desk:
        result = asdict(desk.approve_number(number, Approval(shadow=shadow, note=note)))
    state = str(result["state"]).replace("_", " ")
    emit(result | {"number": number}, as_json=as_json, text=state)
