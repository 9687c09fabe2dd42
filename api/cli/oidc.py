"""Commands about sign-on by OpenID Connect: which provider is trusted, and what claims grant."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    emit,
    open_accounts,
    opened_to_read,
)

if TYPE_CHECKING:
    from api.auth.authority import PersonGrant
    from api.auth.oidc_mapping import OidcMapping

oidc = typer.Typer(name="oidc", help="Sign-on by OpenID Connect.", no_args_is_help=True)

FileArgument = Annotated[
    Path | None, typer.Argument(help="The mapping (TOML); oidc.toml of the home by default.")
]


@oidc.command("check")
def check(home: HomeOption, file: FileArgument = None, *, as_json: JsonOption = False) -> None:
    """Check a mapping of claims; nothing is recorded, and the provider is not asked."""
    mapping, digest = _read(home, file)
    result = {"complete": True, "file": digest, "mapping": mapping.model_dump(mode="json")}
    emit(result, as_json=as_json, text=lambda: _print_mapping(mapping))


@oidc.command("show")
def show(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show the mapping in force, the proposals that wait, and every account that signed on."""
    from api.auth.authority import Authority

    with opened_to_read(home) as (_, store), store.read() as connection:
        authority = Authority().look(connection)
    history = authority.oidc
    waiting = [
        {"proposal": one.sequence, "by": one.author} | dict(one.content)
        for one in history.pending()
    ]
    people = [
        _person(one, is_active=authority.person(one.name) is not None)
        for one in authority.subjects()
    ]
    found: dict[str, Any] = {
        "in_force": None if history.in_force is None else history.in_force.model_dump(mode="json"),
        "sequence": history.sequence,
        "waiting": waiting,
        "accounts": people,
    }

    def text() -> None:
        _print_mapping(history.in_force)
        for one in waiting:
            typer.echo(f"waits: {one['proposal']}, proposed by {one['by']}, file {one['file']}")
        for one in people:
            words = (f"{name} {value}" for name, value in one.items() if name != "account")
            typer.echo(f"{one['account']}  {'  '.join(words)}")

    emit(found, as_json=as_json, text=text)


@oidc.command("link")
def link(
    home: HomeOption,
    account: Annotated[str, typer.Argument(help="The account, as pages show its name.")],
    owner: Annotated[str, typer.Option("--owner", help="The local account of the same person.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Let an account count as the person of a local account, for good."""
    with open_accounts(home) as (_, accounts):
        accounts.link_subject(account, owner=owner)
    emit({"account": account, "owner": owner}, as_json=as_json, text="linked")


def _person(found: "PersonGrant", *, is_active: bool) -> dict[str, Any]:
    known = {"account": found.name, "role": found.role, "post": found.post, "agency": found.agency}
    return known | {"owner": found.owner, "is_active": is_active}


def _print_mapping(mapping: "OidcMapping | None") -> None:
    if mapping is None or not mapping.issuer:
        typer.echo("no identity provider is trusted")
        return
    typer.echo(f"issuer {mapping.issuer}, client {mapping.client_id}")
    for name in ("role", "post", "agency"):
        for rule in getattr(mapping, "agencies" if name == "agency" else f"{name}s"):
            claim = rule.claim if isinstance(rule.claim, str) else ".".join(rule.claim)
            typer.echo(f"{claim} = {rule.value}: {name} {getattr(rule, name)}")


def _read(home: Path, file: Path | None) -> "tuple[OidcMapping, str]":
    from api.auth.oidc_mapping import read_mapping
    from engine.storage.home import Home

    return read_mapping(file or Home(home).oidc)
