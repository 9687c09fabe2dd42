"""Commands about links with other installations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    JsonOption,
    count_of,
    emit,
    open_desk,
    opened_existing,
    opened_to_read,
)
from engine.errors import OtherSideError

if TYPE_CHECKING:
    from api.links.answers import Links, MatchingView, PostRecordsView
    from api.links.exchanges import ExchangeResult, ImportedParcel
    from engine.journal.journal import Journal
    from engine.links.exchange import LinkExchange
    from engine.links.identity import LinkIdentity
    from engine.storage.database import Store
    from engine.storage.home import Home

links = typer.Typer(name="link", help="Links with other installations.", no_args_is_help=True)
UNREACHABLE = 3
"""Exit status where the other side of a link was not reached."""
NameArgument = Annotated[str, typer.Argument(help="The link, by its agreement's name.")]
MatchingOption = Annotated[
    bool, typer.Option("--matching", help="Only the comparing of watch lists, after an alarm.")
]
WhyOption = Annotated[str, typer.Option(help="Why, for the journal.")]


@links.command("identity")
def identity(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Print this installation's link identity, made on first use, for the other side to pin."""
    from engine.links.identity import open_link_keys

    with opened_existing(home) as (found, _):
        ours = open_link_keys(found).identity
    result = {
        "fingerprint": ours.fingerprint,
        "signing_key": ours.signing_key.hex(),
        "receiving_key": ours.receiving_key.hex(),
    }
    emit(result, as_json=as_json, text=lambda: _print_identity(ours))


def _print_identity(ours: "LinkIdentity") -> None:
    import segno

    from engine.links.identity import split_fingerprint

    typer.echo(f"fingerprint: {split_fingerprint(ours.fingerprint)}")
    typer.echo(f'signing_key = "{ours.signing_key.hex()}"')
    typer.echo(f'receiving_key = "{ours.receiving_key.hex()}"')
    segno.make(ours.text, micro=False).terminal(compact=True)


@links.command("propose")
def propose(
    home: HomeOption,
    subject: Annotated[str, typer.Argument(help="The agreement (TOML), or a link to resume.")],
    by: ByOption,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a link that stopped.")] = False,
    matching: MatchingOption = False,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Propose an agreement, or to --resume a stopped link; another person approves it."""
    from api.links.proposals import LINK, LINK_RESUMPTION, ResumptionProposal
    from engine.links.agreement import read_agreement

    agreement = None if resume or matching else read_agreement(Path(subject))
    with open_desk(home, by) as desk:
        if agreement is None:
            proposed = ResumptionProposal(link=subject, matching=matching, why=why)
            desk.propose(LINK_RESUMPTION, proposed)
        else:
            desk.propose(LINK, agreement)
    name = subject if agreement is None else agreement.link
    emit({"link": name, "state": "proposed"}, as_json=as_json, text=f"proposed: {name}")


@links.command("approve")
def approve(
    home: HomeOption,
    name: NameArgument,
    by: ByOption,
    *,
    matching: MatchingOption = False,
    as_json: JsonOption = False,
) -> None:
    """Approve an agreement or a resumption that another person of this side proposed."""
    from api.links.proposals import approve_link

    with open_desk(home, by) as desk:
        link = approve_link(desk, name, is_matching=matching)
    emit({"link": link, "state": "in_force"}, as_json=as_json, text=f"in force here: {link}")


@links.command("end")
def end(
    home: HomeOption,
    name: NameArgument,
    by: ByOption,
    why: WhyOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """End a link at once; nothing more is sent or taken. One person may do this."""
    with _open_governing(home, by) as exchange:
        link = exchange.find_link(name).name
        exchange.end(name, by=by, why=why)
    emit({"link": link, "state": "ended"}, as_json=as_json, text=f"ended: {link}")


@links.command("status")
def status(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show every link: what waits, how late it is, and what stopped."""
    from api.links.answers import list_links
    from engine.journal.journal import Journal

    with opened_to_read(home) as (found, store):
        result = list_links(found, store, Journal(store))
    emit(asdict(result), as_json=as_json, text=lambda: _print_status(result))


def _print_status(found: "Links") -> None:
    if not found.links:
        typer.echo("no link")
    for one in found.links:
        words = [one.name, one.phase, f"with {one.administration} ({one.them})"]
        words += [f"waiting {one.waiting}", f"last arrival {one.last_arrival or 'never'}"]
        if one.alarm:
            words.append(f"ALARM {one.alarm.rule} (record {one.alarm.sequence})")
        typer.echo("  ".join(words))
        if one.matching:
            _print_matching(one.matching)
        if one.records:
            _print_records(one.records)
        for part in one.traffic:
            counted = f"{part.envelopes:,} {part.kind or '-'} {part.status}"
            typer.echo(f"  {part.direction}: {counted}, slowest {part.slowest_seconds} s")


def _print_matching(found: "MatchingView") -> None:
    counts = f"{found.shareable} shareable, {found.unasked} not asked about yet"
    alarm = f"  ALARM {found.alarm.rule}" if found.alarm else ""
    typer.echo(f"  watch lists: {counts}, {len(found.enquiries)} enquiries{alarm}")
    if found.unreadable:
        records = ", ".join(map(str, found.unreadable))
        typer.echo(f"    CANNOT BE READ: messages with the records {records}: darvoza verify")
    for hit in found.common:
        typer.echo(f"    {hit.token[:12]}  {hit.identifier} of {hit.entry}  {hit.state}")


def _print_records(found: "PostRecordsView") -> None:
    """Print what a post's node and its centre lack of each other."""
    if found.unsent:
        unsent = count_of(found.unsent, "record")
        typer.echo(f"  not yet at the centre: {unsent}, waiting since {found.unsent_since}")
    if found.newest:
        times = f"recorded {found.newest_recorded_at}, arrived {found.newest_arrived_at}"
        typer.echo(f"  newest record of the other side: {found.newest:,}, {times}")


@links.command("recompute")
def recompute(
    home: HomeOption,
    name: NameArgument,
    *,
    decisions: Annotated[int, typer.Option(min=1, help="How many, the newest.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """Make the decisions of a post's node again at its centre, from the copies of its records."""
    from api.links.node_recompute import recompute_at_centre, verify_draws_at_centre
    from api.service.model_watch import HomeModels

    with _open_exchange(home) as (found, store, exchange):
        link, models = exchange.find_link(name), HomeModels(found)
        made = recompute_at_centre(
            found, store, link, models=models.load, sentences=models.sentences, most=decisions
        )
        drawn, faults = verify_draws_at_centre(store, link)
    rows = [one.as_dict() for one in made]
    same = sum(one.is_identical for one in made)

    def text() -> None:
        for one in made:
            if one.missing:
                typer.echo(f"{one.decision_id}  not compared: {'; '.join(one.missing)}")
            elif not one.is_identical:
                typer.echo(f"{one.decision_id}  DIFFERS: {', '.join(one.differences)}")
        typer.echo(f"{same:,} of {len(made):,} decisions reproduced bit for bit")
        for seq, rule, why in faults:
            typer.echo(f"record {seq} of the node: {rule}: {why}")
        typer.echo(f"{count_of(drawn, 'decision')} drawn again from revealed seeds")

    is_same = all(one.is_identical or one.missing for one in made)
    result = {
        "link": link.name,
        "decisions": rows,
        "drawn": drawn,
        "draw_faults": [{"sequence": seq, "rule": rule, "why": why} for seq, rule, why in faults],
    }
    emit(result, as_json=as_json, text=text, ok=is_same and not faults)


@links.command("sync")
def sync(
    home: HomeOption,
    name: Annotated[str | None, typer.Argument(help="One link; all by default.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Exchange with the other side over HTTPS until nothing waits on either side."""
    from api.links.exchanges import exchange_all, open_carrier
    from api.links.loaded_exits import announce_all

    results: dict[str, ExchangeResult | OtherSideError] = {}
    with _open_exchange(home) as (found, _, exchange):
        with exchange.store.read() as connection:
            now = exchange.journal.now(connection)
            known = exchange.read_links(connection).values()
        wanted = [one for one in known if one.phase(now) in ("in_force", "stopped")]
        wanted = [one for one in wanted if one.them.url is not None]
        if name is not None:
            wanted = [exchange.find_link(name)]
        for one in wanted:
            announce_all(exchange, one, found)
            try:
                results[one.agreement.name] = exchange_all(exchange, one, open_carrier(found, one))
            except OtherSideError as error:  # the other links go on
                results[one.agreement.name] = error
    is_stopped = any(getattr(one, "is_stopped", False) for one in results.values())
    emit(
        {"links": {key: _to_json(one) for key, one in results.items()}},
        as_json=as_json,
        text=lambda: _print_results(results),
        ok=not is_stopped,
    )
    if any(isinstance(one, OtherSideError) for one in results.values()):
        raise typer.Exit(UNREACHABLE)


def _to_json(result: "ExchangeResult | OtherSideError") -> dict[str, Any]:
    if isinstance(result, OtherSideError):
        return {"cause": result.cause, "why": result.why, "at": result.at or None}
    return {
        "sent": result.sent,
        "received": result.received,
        "refusals": list(result.refusals),
        "stopped": result.is_stopped,
        "without_effect": result.foreign,
    }


def _print_results(results: "Mapping[str, ExchangeResult | OtherSideError]") -> None:
    for name, one in results.items():
        if isinstance(one, OtherSideError):
            typer.echo(f"{name}: NOT REACHED: {one}")
            continue
        stopped = "  STOPPED: darvoza link status" if one.is_stopped else ""
        refused = f"  refused: {', '.join(one.refusals)}" if one.refusals else ""
        kept = f"  {one.foreign} without effect: darvoza verify" if one.foreign else ""
        typer.echo(f"{name}: sent {one.sent}, received {one.received}{refused}{kept}{stopped}")


@links.command("export")
def export(
    home: HomeOption,
    name: NameArgument,
    to: Annotated[Path, typer.Option(help="A folder, on a stick or elsewhere.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Write what waits for the other side, and what is held of its journal, into a folder."""
    from api.links.exchanges import export_parcel
    from api.links.loaded_exits import announce_all

    with _open_exchange(home) as (found, _, exchange):
        link = exchange.find_link(name)
        announce_all(exchange, link, found)
        path = export_parcel(exchange, link, to)
    emit({"file": str(path)}, as_json=as_json, text=str(path))


@links.command("import")
def import_folder(
    home: HomeOption,
    folder: Annotated[Path, typer.Argument(help="A folder that the other side wrote.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Take what the other side wrote into a folder; the same file twice changes nothing."""
    from api.links.exchanges import import_parcels

    with _open_exchange(home) as (_, _, exchange):
        found = import_parcels(exchange, folder)
    refused = [one for one in found if one.taken is None or one.taken.is_stopped]
    emit(
        {"files": [_parcel_json(one) for one in found]},
        as_json=as_json,
        text=lambda: _print_imported(found),
        ok=not refused,
    )


def _parcel_json(one: "ImportedParcel") -> dict[str, Any]:
    taken = one.taken
    return {
        "file": one.file,
        "refused": one.refused,
        "received": 0 if taken is None else taken.new,
        "receipts": 0 if taken is None else taken.settled,
        "refusals": [] if taken is None else [refusal.rule for refusal in taken.refusals],
        "stopped": taken is not None and taken.is_stopped,
    }


def _print_imported(found: "list[ImportedParcel]") -> None:
    for one in map(_parcel_json, found):
        what = one["refused"] or f"received {one['received']}, receipts {one['receipts']}"
        rules = f", refused: {', '.join(one['refusals'])}" if one["refusals"] else ""
        typer.echo(f"{one['file']}: {what}{rules}{', STOPPED' if one['stopped'] else ''}")


@links.command("match")
def match(
    home: HomeOption, name: NameArgument, by: ByOption, *, as_json: JsonOption = False
) -> None:
    """Ask the other side which of the entries marked as shareable stand on its list too."""
    from engine.links.list_comparison import ListComparison

    with _open_governing(home, by) as exchange:
        asked = ListComparison(exchange).begin(name, by=by)
    text = f"asked about {asked} identifiers: darvoza link sync" if asked else "nothing new to ask"
    emit({"asked": asked}, as_json=as_json, text=text)


@links.command("details")
def details(
    home: HomeOption,
    name: NameArgument,
    token: Annotated[str, typer.Argument(help="The token of a common entry, or its beginning.")],
    step: Annotated[
        Literal["ask", "release", "decline", "withdraw"],
        typer.Argument(help="ask and release need two people each."),
    ],
    by: ByOption,
    *,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a step about the details of a common entry."""
    from api.links.proposals import take_details_step

    with open_desk(home, by) as desk:
        state = take_details_step(desk, name, token, step, why=why)
    emit({"token": token, "state": state}, as_json=as_json, text=state.replace("_", " "))


@contextmanager
def _open_exchange(home: Path) -> "Iterator[tuple[Home, Store, LinkExchange]]":
    """Open the links of a home; raises ``HomeError`` where it has no link identity."""
    from api.links.exchanges import open_exchange

    with opened_existing(home) as (found, store):
        yield found, store, open_exchange(found, store, _open_journal(found, store))


def _open_journal(home: "Home", store: "Store") -> "Journal":
    """Return the journal with every projection, as the service has it."""
    from api.service.assembly import projections
    from engine.audit.file_anchors import open_network
    from engine.journal.journal import Journal
    from features.catalogue.plan import current_plan

    return Journal(store, projections(current_plan(), open_network(home, store)))


def announce_loaded(home: "Home", store: "Store") -> None:
    """Record the manifests that a load makes due, on every link in force."""
    if not home.link_keys.exists():
        return
    from api.links.exchanges import open_exchange
    from api.links.loaded_exits import announce_all

    exchange = open_exchange(home, store, _open_journal(home, store))
    with store.read() as connection:
        links = exchange.read_links(connection).values()
    for link in links:
        announce_all(exchange, link, home)


@contextmanager
def _open_governing(home: Path, by: str) -> "Iterator[LinkExchange]":
    """Open the links of a home for one person's step about all posts."""
    from api.links.exchanges import open_exchange
    from api.links.proposals import LINK
    from engine.domain.rights import Right

    with open_desk(home, by) as desk:
        desk.enter(LINK, Right.ACT)
        service = desk.service
        yield open_exchange(service.home, service.store, service.journal)
