"""Commands about a whole home: verify, rebuild, backup, erasure, and the clock of its journal.

A backup assumes that what the store names (loads, bundles, files of cases) is written before the
record that names it and never changed: so the store is copied first. Keys are left out: a copy of
both could sign.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    JsonOption,
    count_of,
    emit,
    find_home,
    instant,
    open_desk,
    opened_to_read,
    require_folder_of,
)
from engine.domain.rights import Right, Role
from engine.domain.time_units import SECOND, rfc3339
from engine.errors import ConflictError, ErasedError, InputError, NotAllowedError
from engine.storage.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from api.audit.home_check import HomeVerdict
    from engine.audit.decision_replay import DecisionReplay
    from engine.audit.verification import Verdict
    from engine.journal.clock import Reading
    from engine.journal.entries import JournalFault
    from engine.storage.database import Store

TABLES = ("network.toml", "retention.toml", "messages.toml", "links-ca.pem")
FILES = ("history", "bundles", "files", "mappings", "reports", "mlflow", *TABLES)
"""What is copied besides the store."""


def backup(
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet: a home, but keys.")],
    home: HomeOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy a home and verify the copy; with PostgreSQL use pg_dump for the store instead."""
    verdict = copy_home(find_home(home), out)
    faults = [asdict(fault) for fault in verdict.faults]
    result = {"ok": verdict.ok, "checked": verdict.checked, "folder": str(out), "faults": faults}

    def text() -> None:
        _print_faults(verdict.faults, verdict.found)
        copied = count_of(verdict.checked, "record")
        typer.echo(f"{copied} copied to {out}; keys are not among them")

    emit(result, as_json=as_json, text=text, ok=verdict.ok)


def recompute(
    home: HomeOption,
    decision: Annotated[
        str | None, typer.Argument(help="One decision; the newest ones by default.")
    ] = None,
    *,
    newest: Annotated[int, typer.Option(min=1, help="How many, without a decision.")] = 1_000,
    as_json: JsonOption = False,
) -> None:
    """Make decisions again from their records; exit status 1 where one differs."""
    with opened_to_read(home) as (found, store):
        made = recompute_decisions(found, store, decision, most=newest)
    same = sum(one["identical"] for one in made)

    def text() -> None:
        for one in made:
            if one["why"]:
                typer.echo(f"{one['decision_id']}  not made again: {one['why']}")
            elif not one["identical"]:
                typer.echo(f"{one['decision_id']}  DIFFERS: {', '.join(one['differences'])}")
        typer.echo(f"{same:,} of {count_of(len(made), 'decision')} the same")

    result = {"decisions": made, "same": same}
    is_same = all(one["identical"] or one["why"] for one in made)
    if decision is not None:
        is_same = same == 1
    emit(result, as_json=as_json, text=text, ok=is_same)


def recompute_decisions(
    home: Home, store: "Store", decision: str | None, *, most: int
) -> list[dict[str, Any]]:
    """Return one decision made again, or the newest ``most``; raises ``NotFoundError``.

    Of each whether it is ``identical``, the names of its ``differences``, and ``why`` it could not
    be made again.
    """
    from api.service.model_watch import HomeModels
    from engine.audit.decision_replay import DecisionReplay
    from engine.audit.file_anchors import open_network
    from engine.journal.journal import Journal
    from engine.queue.queue import list_decisions, read_decision
    from features.catalogue.plan import current_plan
    from features.online.online_features import OnlineFeatures

    models, network = HomeModels(home), open_network(home, store)
    features = OnlineFeatures(current_plan(), network)
    replay = DecisionReplay(
        Journal(store), features, scorer=models.load, sentences=models.sentences
    )
    with store.read() as connection:
        if decision is not None:
            known = [read_decision(connection, decision)]
        else:
            known = list_decisions(connection, post=None, channel=None, since=0, most=most)
        return [
            {"decision_id": one.decision_id} | _recompute(replay, connection, one.seq)
            for one in known
        ]


def _recompute(replay: "DecisionReplay", connection: "Connection", seq: int) -> dict[str, Any]:
    try:
        made, why = replay.attempt(connection, seq)
    except ErasedError as error:
        made, why = None, str(error)
    if made is None:
        return {"identical": False, "differences": [], "why": why}
    return {"identical": made.is_identical, "differences": list(made.differences), "why": ""}


def copy_home(home: Home, out: Path) -> "Verdict":
    """Copy a home's store and files as they are, and return what a check of the copy found."""
    from engine.audit.store_check import verify_store
    from engine.journal.areas import list_declared_tables
    from engine.journal.receipts import KEY_FILE, public_key_of

    kept_in = home.store_file
    if kept_in is None:
        raise NotAllowedError("PostgreSQL holds the store of this home: pg_dump copies that")
    if out.exists():
        raise InputError(out.name, "it is there already, and no backup is written over")
    out.mkdir(parents=True, mode=0o700)
    store = out / kept_in.name
    _copy_store(kept_in, store)
    for name in FILES:
        if (home.root / name).is_dir():
            shutil.copytree(home.root / name, out / name, ignore=shutil.ignore_patterns(".*"))
        elif (home.root / name).exists():
            shutil.copy2(home.root / name, out / name)
    key = public_key_of(home) if (home.keys / KEY_FILE).exists() else None
    with _opened_copy(store) as copy, copy.read() as connection:
        return verify_store(connection, list_declared_tables(), public_key=key)


@contextmanager
def _opened_copy(file: Path) -> Iterator["Store"]:
    """Open a copied store to be checked; of an older version, a copy that is brought up to date.

    The copy itself stays as it is, so that the tree that wrote it can open it again.
    """
    from api.migrations.upgrade import newest, read_version, upgrade
    from engine.storage.database import Store

    with TemporaryDirectory(dir=file.parent, prefix=".check-") as scratch:
        with Store(f"sqlite:///{file.absolute()}") as copy:
            if read_version(copy) == newest():
                yield copy
                return
        newer = Path(scratch) / file.name
        _copy_store(file, newer)
        with Store(f"sqlite:///{newer.absolute()}") as copy:
            upgrade(copy)
            yield copy


def _copy_store(source: Path, target: Path) -> None:
    """Copy as of one moment, the log that is not in the file yet included; writers go on."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)


MAY_ACCEPT = frozenset({Role.SUPERVISOR, Role.INTEGRITY, Role.ADMINISTRATOR})

clock = typer.Typer(help="The clock of the journal.", no_args_is_help=True)


@clock.command("show")
def show(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Show the journal's time, and whether the wall clock is followed."""
    from engine.journal.journal import Journal

    with opened_to_read(home) as (_, store), store.read() as connection:
        reading = Journal(store).reading(connection)
    emit(_reading_as_json(reading), as_json=as_json, text=lambda: _print_reading(reading))


@clock.command("accept")
def accept(
    home: HomeOption,
    by: Annotated[str, typer.Option("--as", help="Who says that the wall clock is right.")],
    why: Annotated[str, typer.Option(help="Why it jumped, for the journal.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Follow the wall clock again after a jump, with your password; a record says who said so."""
    from api.auth.permissions import RouteRule
    from engine.journal.clock import draft_acceptance

    with open_desk(home, by) as desk:
        desk.caller.admit(RouteRule(MAY_ACCEPT, None, Right.ACT), is_step=True)
        journal = desk.service.journal
        with desk.service.store.read() as connection:
            reading = journal.reading(connection)
        if not reading.is_held:
            raise ConflictError("clock", "", "the wall clock is followed already")
        journal.append([draft_acceptance(reading, by=by, why=why)])
    result = _reading_as_json(reading) | {"accepted_by": by}
    emit(result, as_json=as_json, text=f"time is {_wall(reading)} from now on")


def _reading_as_json(reading: "Reading") -> dict[str, Any]:
    return {
        "time": rfc3339(reading.now),
        "wall_clock": _wall(reading),
        "is_held": reading.is_held,
        "ahead_seconds": reading.ahead / 1_000_000,
    }


def _print_reading(reading: "Reading") -> None:
    typer.echo(f"time of the journal: {rfc3339(reading.now)}")
    typer.echo(f"wall clock:          {_wall(reading)}")
    if reading.is_held:
        side = "ahead" if reading.ahead > 0 else "behind"
        typer.echo(f"the wall clock is {timedelta(seconds=abs(reading.ahead) // SECOND)} {side}")
        typer.echo(
            "it is NOT followed: where it is right, darvoza clock accept --as NAME --why WHY"
        )
    else:
        typer.echo("the wall clock is followed")


def _wall(reading: "Reading") -> str:
    return rfc3339(reading.now + reading.ahead)


def verify(
    home: HomeOption,
    receipts: Annotated[Path | None, typer.Option(help="Receipts held elsewhere, JSON.")] = None,
    *,
    witness: Annotated[
        Path | None, typer.Option(help="What the other side of a link holds: its export, JSON.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the journal end to end, every table and file made from it, and receipts against it."""
    from api.audit.home_check import check_home
    from engine.journal.receipts import read_receipts

    with opened_to_read(home) as (found, store):
        held = [] if receipts is None else list(read_receipts(receipts))
        verdict = check_home(found, store, held, witness=witness)
    result = {
        "ok": verdict.ok,
        "checked": verdict.journal.checked,
        "receipts": len(held),
        "witnessed": verdict.witnessed,
        "drawn_again": verdict.journal.drawn,
        "loads": verdict.loads,
        "bundles": verdict.bundles,
        "files": verdict.files,
        "tables": verdict.tables,
        "erased": verdict.journal.erased,
        "erasures": list(verdict.journal.erasures),
        "found": verdict.found,
        "faults": [asdict(fault) for fault in verdict.faults],
        "notes": list(verdict.notes),
    }
    emit(result, as_json=as_json, text=lambda: _print_verdict(verdict, len(held)), ok=verdict.ok)


def _print_faults(faults: Sequence["JournalFault"], found: int) -> None:
    for fault in faults:
        typer.echo(f"record {fault.seq}: {fault.rule}: {fault.message}")
    if found > len(faults):
        typer.echo(f"and {found - len(faults):,} more")


def _print_verdict(verdict: "HomeVerdict", receipts: int) -> None:
    _print_faults(verdict.faults, verdict.found)
    for note in verdict.notes:
        typer.echo(f"note: {note}")
    journal = verdict.journal
    counted = [
        count_of(journal.checked, "record"),
        count_of(receipts, "receipt"),
        count_of(verdict.witnessed, "head") + " of a witness",
        count_of(verdict.loads, "load"),
        count_of(verdict.bundles, "bundle"),
        count_of(verdict.files, "file"),
    ]
    typer.echo(", ".join(counted) + " checked")
    rows = sum(verdict.tables.values())
    typer.echo(
        f"{count_of(rows, 'row')} of {len(verdict.tables)} tables compared with what records say"
    )
    typer.echo(f"{count_of(journal.drawn, 'decision')} drawn again from revealed seeds")
    if journal.erased:
        by = ", ".join(map(str, journal.erasures))
        typer.echo(f"bodies erased: {journal.erased:,}, by the signed records {by}")
    typer.echo("all stands as recorded" if verdict.ok else "SOMETHING HAS BEEN CHANGED")


def rebuild(
    home: HomeOption,
    into: Annotated[
        str | None,
        typer.Option(
            help="Leave the store as it is and make a new one: a file that is not there yet, or "
            "the URL of an empty PostgreSQL database."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make every table again from the journal, in one transaction; stop the service first."""
    from api.audit.home_check import rebuild_home, rebuild_into

    with opened_to_read(home) as (found, store):
        if into is None:
            rebuilt = rebuild_home(found, store)
        else:
            with _opened_new(into, store) as made:
                rebuilt = rebuild_into(found, store, made)
    result = {
        "tables": rebuilt.tables,
        "dropped": [{"table": table, "key": key} for table, key in rebuilt.dropped],
        "notes": list(rebuilt.notes),
    }

    def text() -> None:
        for table, key in rebuilt.dropped:
            typer.echo(f"{table} {key}: its secret did not fit the journal and was dropped")
        for note in rebuilt.notes:
            typer.echo(f"note: {note}")
        rows = sum(rebuilt.tables.values())
        typer.echo(
            f"{count_of(rows, 'row')} of {len(rebuilt.tables)} tables made again from the journal"
        )

    emit(result, as_json=as_json, text=text)


@contextmanager
def _opened_new(into: str, old: "Store") -> Iterator["Store"]:
    """Open a new store with empty tables: on PostgreSQL, or in a file where the old one is too."""
    from api.auth.credentials import check_database
    from api.migrations.upgrade import upgrade
    from engine.storage.database import Store

    file = None
    if not into.startswith("postgresql"):
        if not old.dialect.is_sqlite:
            raise InputError("--into", "not the URL of a PostgreSQL database")
        file = require_folder_of(Path(into).absolute())
        if file.exists():
            raise InputError(into, "it is there already, and no store is written over")
    url = into if file is None else f"sqlite:///{file}"
    check_database(url)
    try:
        with Store(url) as made:
            upgrade(made)
            yield made
    except BaseException:
        if file is not None:
            file.unlink(missing_ok=True)
        raise


def erase(
    home: HomeOption,
    by: ByOption,
    before: Annotated[
        int | None,
        typer.Option(metavar="DATE", parser=instant, help="Erase what was recorded before; UTC."),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="Erase what names this plate, VIN, container, party, driver or national text."
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="Why, for the second person.")] = "",
    *,
    due: Annotated[
        bool, typer.Option("--due", help="Erase what is due by retention.toml of the home.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose an erasure; the same command of a second person approves it and erases."""
    from api.audit.erasure import read_schedule
    from api.audit.proposals import ERASURE, Criteria, ErasureProposal

    if (before is not None) + (subject is not None) + due != 1:
        raise typer.BadParameter("name one of --before, --subject and --due")
    with open_desk(home, by) as desk:
        schedule = read_schedule(desk.service.home) if due else None
        criteria = Criteria(before=before, subject=subject, schedule=schedule)
        same = {"criteria": criteria.model_dump(mode="json", exclude_none=True)}
        proposed = ErasureProposal(criteria=criteria, why=why)
        result = asdict(desk.propose_or_approve(ERASURE, proposed, same))
    emit(result, as_json=as_json, text=lambda: _print_result(result))


def _print_result(result: dict[str, Any]) -> None:
    if result["state"] == "proposed":
        typer.echo(f"proposed: {count_of(result['records'], 'record')}; nothing is erased yet")
        typer.echo("a second person approves with the same command within 30 days")
    else:
        erased = count_of(result["records"], "record")
        typer.echo(f"erased: the bodies of {erased}, by {result['by'][1]}")
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
    identifier: Annotated[
        str, typer.Argument(help="A plate, VIN, container, party, driver or national text.")
    ],
    by: ByOption,
    out: Annotated[Path | None, typer.Option(help="A file to write; the terminal else.")] = None,
) -> None:
    """Export what is held on a subject as JSON; every record that is read is recorded first."""
    from api.audit.erasure import export_subject

    with open_desk(home, by) as desk:
        held = export_subject(desk.service, desk.caller, identifier)
    text = json.dumps(held, ensure_ascii=False, indent=1)
    if out is None:
        typer.echo(text)
    else:
        out.touch(mode=0o600)
        out.write_text(text + "\n", "utf-8")
