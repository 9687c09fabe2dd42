"""Commands that run the service and say who may call it: serve, keys, users."""

import gc
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    HomeOption,
    JsonOption,
    emit,
    open_accounts,
    open_home,
    opened_to_read,
    say,
)
from engine.domain.rights import Role
from engine.storage.home import VARIABLE

if TYPE_CHECKING:
    from api.auth.accounts import IssuedCredential

STOPS_SECONDS = 5
"""Requests are finished when the service stops; an open page's line would keep it up for ever."""
APPLICATION = "api.app:create_app"
"""Environment of each worker process."""
_START_SECONDS = 60
"""The longest that a worker's successor may take to answer; until then its predecessor stays."""

PostOption = Annotated[str | None, typer.Option(help="The one post it reaches.")]
AgencyOption = Annotated[str | None, typer.Option(help="The agency for which it acts.")]
RoleOption = Annotated[Role, typer.Option(help="What it may do.")]

NameArgument = Annotated[str, typer.Argument(help="How the person signs in.")]

keys = typer.Typer(help="Keys of machines.", no_args_is_help=True)
users = typer.Typer(help="People who approve and review.", no_args_is_help=True)


def serve(
    home: HomeOption,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes, on PostgreSQL.")] = 1,
) -> None:
    """Run the service until it is stopped, on a socket that a service manager passed if it did."""
    from api.areas import require_areas
    from api.http.server import (
        configured,
        listen,
        name_address,
        open_socket,
        tell_service_manager,
    )
    from api.service.settings import Settings
    from api.service.structured_logging import configure

    os.environ[VARIABLE] = str(home)  # what each worker process reads
    with open_socket(host, port) as listening:  # before the home is touched, which may be served
        with open_home(home) as (found, store):
            is_sqlite = store.dialect.is_sqlite
            with store.read() as connection:
                require_areas(found, connection)
        if workers > 1 and is_sqlite:
            raise typer.BadParameter("several workers need PostgreSQL: set DARVOZA_DATABASE_URL")
        configure()
        say(f"serving {home} on {name_address(listening)}")
        tell_service_manager()
        gc.disable()  # until what is loaded has settled (api.app)
        settings = configured(
            APPLICATION,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            forwarded_allow_ips=Settings().trusted_proxies,
            timeout_worker_healthcheck=_START_SECONDS,
            log_config=None,  # each process configures its own logging
            timeout_graceful_shutdown=STOPS_SECONDS,
        )
        try:
            listen(settings, listening)
        except SystemExit as stopped:
            raise typer.Exit(1 if stopped.code else 0) from None  # its log says what kept it


@keys.command("create")
def create_key(
    home: HomeOption,
    role: RoleOption,
    post: PostOption = None,
    owner: Annotated[str | None, typer.Option(help="The user whose key it is.")] = None,
    agency: AgencyOption = None,
    label: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it; it is not shown again."""
    from api.auth.credentials import open_pepper

    with open_accounts(home, open_home) as (found, accounts):
        pepper = open_pepper(found)
        made = accounts.create_key(
            role, post, pepper=pepper, owner=owner, agency=agency, label=label
        )
    fields = {"key_id": made.name, "role": made.role, "post": made.post, "owner": owner}
    fields |= {"agency": made.agency}
    result = fields | {"key": made.secret}
    say(f"{made.name}: by this name the key is listed and revoked")  # the key alone goes to scripts
    emit(result, as_json=as_json, text=made.secret)


@keys.command("list")
def list_keys(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show every key, and which of them may neither propose nor approve."""
    from api.auth.permissions import OWNED
    from engine.domain.time_units import rfc3339

    with open_accounts(home, opened_to_read) as (_, accounts):
        every = [
            {
                "key_id": key.key_id,
                "label": key.label,
                "role": key.role,
                "post": key.post,
                "owner": key.owner,
                "agency": key.agency,
                "created_at": rfc3339(key.created_at),
                "until": None if key.until is None else rfc3339(key.until),
                "is_revoked": key.is_revoked,
                "is_committed": bool(key.commitment),
                "only_reads": key.role in OWNED and not accounts.answers_for(key),
            }
            for key in accounts.every_key()
        ]
    emit({"keys": every}, as_json=as_json, text=lambda: _print_keys(every))


def _print_keys(every: Sequence[Mapping[str, Any]]) -> None:
    for key in every:
        about = [key["key_id"], *([key["label"]] if key["label"] else [])]
        about += [key["role"], key["post"] or "every post"]
        about += [f"owner {key['owner']}"] if key["owner"] else []
        about += [f"agency {key['agency']}"] if key["agency"] else []
        if key["is_revoked"]:
            about.append("revoked")
        elif key["until"]:
            about.append(f"replaced: opens nothing from {key['until']}")
        elif not key["is_committed"]:
            about.append("no record commits to its secret: it opens nothing; make another")
        elif key["only_reads"]:
            about.append("only reads: make another with --owner, then revoke this one")
        typer.echo("  ".join(about))


@keys.command("revoke")
def revoke_key(home: HomeOption, key_id: Annotated[str, typer.Argument()]) -> None:
    """Revoke a key; services refuse it within five seconds."""
    with open_accounts(home) as (_, accounts):
        accounts.revoke_key(key_id)


@users.command("create")
def create_user(
    home: HomeOption,
    name: NameArgument,
    role: RoleOption,
    post: PostOption = None,
    agency: AgencyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a user and print the password; it is not shown again."""
    with open_accounts(home, open_home) as (_, accounts):
        made = accounts.create_user(name, role, post=post, agency=agency)
    emit(_person(made), as_json=as_json, text=made.secret)


@users.command("password")
def change_password(home: HomeOption, name: NameArgument, *, as_json: JsonOption = False) -> None:
    """Make a user a new password and print it; the old one, and open sessions, are over."""
    with open_accounts(home) as (_, accounts):
        made = accounts.change_password(name)
    emit(_person(made), as_json=as_json, text=made.secret)


@users.command("remove")
def remove_user(home: HomeOption, name: NameArgument) -> None:
    """Remove a user: their sessions and keys end, and the name is never given again."""
    with open_accounts(home) as (_, accounts):
        accounts.remove_user(name)


def _person(made: "IssuedCredential") -> dict[str, Any]:
    fields = {"name": made.name, "role": made.role, "post": made.post, "agency": made.agency}
    return fields | {"password": made.secret}
