"""Commands about the table of agencies: who sees, acts and approves."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    emit,
    opened_to_read,
)

if TYPE_CHECKING:
    from api.auth.agencies import AgencyTable
    from api.auth.permissions import RouteRule
    from engine.domain.rights import Matter, Right, Scope

agencies = typer.Typer(help="Who sees, acts and approves, by agency.", no_args_is_help=True)

FileArgument = Annotated[
    Path | None, typer.Argument(help="The table (TOML); agencies.toml of the home by default.")
]


@agencies.command("check")
def check(home: HomeOption, file: FileArgument = None, *, as_json: JsonOption = False) -> None:
    """Check a table of agencies; nothing is recorded."""
    table = _read(home, file)
    count = sum(1 for _ in table.cells())
    text = f"complete: {len(table.agencies)} agencies, {len(table.rules)} rules, {count} cells"
    emit({"complete": True, "cells": count}, as_json=as_json, text=text)


@agencies.command("show")
def show(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show the table in force, and the proposals that wait for a second person."""
    from api.auth.authority import Authority

    with opened_to_read(home) as (_, store), store.read() as connection:
        tables = Authority().look(connection).tables
    waiting = [
        {"proposal": one.sequence, "by": one.author, "table": one.content["table"]}
        for one in tables.pending()
    ]
    table = tables.document.model_dump(mode="json")
    found = {"in_force": table, "sequence": tables.sequence, "waiting": waiting}
    emit(found, as_json=as_json, text=lambda: _print_tables(found))


def _print_tables(found: Mapping[str, Any]) -> None:
    if not found["in_force"]["agencies"]:
        typer.echo("no table is in force: every agency may do what its role may")
    for rule in found["in_force"]["rules"]:
        who = "  ".join(",".join(rule[name]) for name in ("agencies", "roles", "matters"))
        typer.echo(f"{who}  see {rule['see']}  act {rule['act']}  approve {rule['approve']}")
    for one in found["waiting"]:
        typer.echo(f"waits: {one['proposal']}, proposed by {one['by']}")


@agencies.command("matrix")
def matrix(home: HomeOption, file: FileArgument = None) -> None:
    """Print what a table permits for every role, agency, route and page, as Markdown."""
    for line in describe_matrix(_read(home, file)):
        typer.echo(line)


def _read(home: Path, file: Path | None) -> "AgencyTable":
    from api.auth.agencies import read_table
    from engine.storage.home import Home

    return read_table(file or Home(home).agencies)


def list_pages() -> dict[tuple[str, str], list[str]]:
    """Return the pages and forms of each route of the JSON interface."""
    from fastapi.routing import APIRoute

    from api.site import PAGES
    from api.web.visitor import OPEN_PAGES, SIGNED_IN_ALONE, json_route

    found: dict[tuple[str, str], list[str]] = {}
    for router in PAGES:
        for route in router.routes:
            for method in getattr(route, "methods", ()) if isinstance(route, APIRoute) else ():
                asked = method, getattr(route, "path", "")
                if method != "HEAD" and asked not in SIGNED_IN_ALONE | OPEN_PAGES:
                    found.setdefault(json_route(*asked), []).append(" ".join(asked))
    return found


def describe_matrix(table: "AgencyTable") -> Iterator[str]:
    """Yield the lines of a page: for each role a table of routes, pages, proposals and agencies."""
    from api.auth.agencies import WITHOUT
    from engine.domain.rights import Matter, Right, Role

    rules = [*_list_rules()]
    yield from _INTRODUCTION
    columns = [*table.agencies, WITHOUT]
    for role in Role:
        scopes = [table.scopes(None if one == WITHOUT else one, role) for one in columns]
        yield from ("", f"## {role.value}", "")
        yield f"| route | right | {' | '.join(columns)} |"
        yield f"|---|---|{'---|' * len(columns)}"
        for matter in Matter:
            yield _row(f"**{matter.value}**", matter, Right.SEE, scopes)
            for name, rule in rules:
                if rule.matter is matter and role in rule.roles:
                    yield _row(name, matter, rule.right, scopes)
        for name, rule in rules:
            if rule.matter is None and role in rule.roles:
                yield f"| {name} | {rule.right.value} |{' by matter |' * len(columns)}"


def _list_rules() -> "Iterator[tuple[str, RouteRule]]":
    """Yield each route, each page and each right about proposals with its rule."""
    from api.auth.permissions import ROUTES
    from api.proposals.matters import list_matters

    pages = list_pages()
    for route, rule in ROUTES.items():
        yield f"`{' '.join(route)}`", rule
        yield from ((f"page `{page}`", rule) for page in pages.get(route, []))
    for one in list_matters().values():
        yield from ((f"proposals: {one.name}", one.rule(right)) for right in one.may)


def _row(
    name: str, matter: "Matter", right: "Right", scopes: "list[dict[tuple[Matter, Right], Scope]]"
) -> str:
    cells = [found[matter, right].value for found in scopes]
    return f"| {name} | {right.value} | {' | '.join(cells)} |"


_INTRODUCTION = (
    "# Who sees, acts and approves",
    "",
    "Printed by `darvoza agencies matrix`.",
    "",
    "A row is a route of the JSON interface, a page, or what two people decide; a column is an",
    "agency of the sample table; the last column stands for people and keys without one. The first",
    "row of a matter says whose rows of it are seen, on any page and in any answer.",
    "",
    "- `all`: rows of every agency.",
    "- `own`: rows of the own agency and rows without one, at posts that the own agency shares.",
    "- `none`: refused with 403; rows are left out.",
    "",
    "A route that the section of a role lacks is refused to that role. Without a table in force",
    "every cell is `all`.",
)
