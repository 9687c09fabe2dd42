"""Commands about data: make it, load and withdraw it, read it as features, texts and figures."""

import csv
import hmac
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from hashlib import sha256
from math import isfinite
from pathlib import Path
from resource import RLIMIT_AS, setrlimit
from secrets import token_bytes
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    IgnoreOption,
    JsonOption,
    PoliteOption,
    ReportProgress,
    SettingsOption,
    UnusedHomeOption,
    count_of,
    emit,
    instant,
    names,
    open_desk,
    open_home,
    opened_to_read,
    print_table,
    progress,
    require_folder_of,
    say,
    step_back,
    write_whole,
)
from engine.domain.time_units import micros, rfc3339
from engine.errors import InputError
from engine.storage.home import escape_cell, escape_cells

if TYPE_CHECKING:
    from api.proposals.desk import ProposalDesk
    from engine.journal.kinds import SensitiveReadBody
    from engine.storage.database import Store
    from engine.storage.home import Home
    from features.catalogue.plan import Plan
    from features.history.tables import Tables
    from features.intake.stored_loads import LoadResult
    from features.offline.feature_matrix import ExportSummary

Format = Literal["contract", "kcs"]
FormatOption = Annotated[Format, typer.Option(help="What the files look like.")]
QUERY_MEGABYTES = 2048
"""Memory of the tables and the sums of a statement that a service runs."""
QUERY_SPACE = 8 << 30
"""Bytes of address space of the process that runs it."""
RECORDS_FILE = "records.jsonl"
REPORTS_FILE = "reports.jsonl"


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    crossings: Annotated[int, typer.Option(min=1, help="How many crossings.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal bytes.")] = 1,
    end: Annotated[
        int | None, typer.Option(metavar="T", parser=instant, help="When the history ends; UTC.")
    ] = None,
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what this command wrote there before.")
    ] = False,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic border network as a bulk folder, with its truth kept apart."""
    from engine.domain.time_units import moment
    from experiments.synthetic.folder import claim, write

    claim(out, overwrite=overwrite)
    with progress() as report_progress:
        made = write(
            out,
            crossings=crossings,
            seed=seed,
            end=None if end is None else moment(end),
            progress=lambda done, of: report_progress("crossings", done, of),
        )
    result = {"synthetic": True, "folder": str(out), "rows": dict(made.rows)}

    def text() -> None:
        for name, rows in made.rows.items():
            typer.echo(f"{rows:>10,}  {name}")
        typer.echo(f"SYNTHETIC data in {out}: nothing in them is real")

    emit(result, as_json=as_json, text=text)


def features(
    source: Annotated[Path, typer.Argument(help="A bulk folder, or a home.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write; with Spark, a folder.")],
    engine: Annotated[
        Literal["kernel", "spark"], typer.Option(help="What computes: this machine, or Spark.")
    ] = "kernel",
    since: Annotated[
        int | None,
        typer.Option(metavar="T", parser=instant, help="Write crossings known from then on; UTC."),
    ] = None,
    ignore_columns: IgnoreOption = None,
    *,
    format: FormatOption = "contract",  # noqa: A002 - the option's name
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the feature matrix of a bulk folder or a home, each row as of its crossing."""
    import time

    from experiments.support.processes import peak_bytes
    from features.catalogue.catalogue import CATALOGUE
    from features.catalogue.plan import Plan
    from features.offline.feature_matrix import export

    if engine == "spark" and since is not None:
        raise typer.BadParameter("is for the kernel alone", param_hint="--since")
    plan, out, started = Plan(CATALOGUE), require_folder_of(out), time.perf_counter()
    with progress() as report_progress:
        read = partial(
            _tables, source, format, ignored=names(ignore_columns), report_progress=report_progress
        )
        if engine == "spark":
            made = _compute_on_spark(read, plan, out, report_progress)
        else:
            made = export(read, plan, out, since=since, progress=report_progress)
    seconds, peak = time.perf_counter() - started, peak_bytes()
    result = {
        "rows": made.rows,
        "features": made.features,
        "definitions": made.definitions,
        "rows_per_second": round(made.rows / seconds),
        "peak_memory_mb": peak >> 20,
        "input_mb": made.input_bytes >> 20,
        "output_mb": made.output_bytes >> 20,
        "peak_per_input_and_output": round(peak / (made.input_bytes + made.output_bytes or 1), 3),
        "synthetic": made.synthetic,
    }
    text = (
        f"{result['rows']:,} crossings × {result['features']} features, "
        f"{result['rows_per_second']:,} crossings/s, peak {result['peak_memory_mb']:,} MB: "
        f"{result['peak_per_input_and_output']} × (input {result['input_mb']:,} MB "
        f"+ output {result['output_mb']:,} MB)"
    )
    emit(result, as_json=as_json, text=text)


def _compute_on_spark(
    read: Callable[[], "Tables"], plan: "Plan", out: Path, report_progress: ReportProgress
) -> "ExportSummary":
    """Compute features by month, with the keys that training reads beside them."""
    from features.offline.national_job import compute_features, session
    from models.data.lookup_baseline import key_names

    spark = session("darvoza features")
    try:
        return compute_features(
            spark, read(), plan, out, keys=key_names(plan), progress=report_progress
        )
    finally:
        spark.stop()


def _tables(
    source: Path, layout: Format, *, ignored: list[str], report_progress: ReportProgress
) -> "Tables":
    """Read a bulk folder, or all that a home knows."""
    from features.history.tables import read_event_log

    if not source.is_dir():
        raise InputError(str(source), "no such folder")
    if (source / "history").is_dir():
        with opened_to_read(source) as (home, store), store.read() as connection:
            return read_event_log(home, connection)
    return taken_in(source, layout, ignored=ignored, report_progress=report_progress)


def taken_in(
    folder: Path, layout: Format, *, ignored: list[str], report_progress: ReportProgress
) -> "Tables":
    """Return the valid rows of a bulk folder, and say how many others there are."""
    from features.history.tables import epoch_of, without_questions
    from features.intake.load import read_folder
    from features.intake.stored_loads import load_digest

    found = read_folder(folder, format=layout, ignore_columns=ignored, progress=report_progress)
    if bad := sum(found.quarantined.values()):
        say(f"{bad:,} bad rows are left out: `darvoza load --check` says which and why")
    # Named as the history of a home into which the folder alone is loaded.
    name = epoch_of([load_digest(found.offered, found.tables.digest)])
    return replace(without_questions(found.tables), digest=name)


def translate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Documents or folders.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for records.jsonl.")],
    settings: SettingsOption = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Translate ASYCUDA, WCO, NCTS, eCMR, eFTI and EAEU documents into records, with a report each.

    A refused document is a line of the report, not a failure: the exit status is 0.
    """
    from features.messages.documents import find_documents, read_document
    from features.messages.settings import read_settings
    from features.messages.translation import Translation, read_pseudonym_key, translate_document

    chosen = read_settings(settings)
    key = read_pseudonym_key(chosen)
    documents = list(find_documents(paths))
    counted: Counter[tuple[str, str, str]] = Counter()

    def lines() -> Iterator[dict[str, Any]]:
        with progress() as report_progress:
            for done, (name, path) in enumerate(documents, start=1):
                found: Translation = translate_document(
                    read_document(path), chosen, pseudonym_key=key
                )
                counted[found.format, found.status, found.rule or ""] += 1
                report_progress("documents", done, len(documents))
                yield found.to_json(name)

    written = write_lines(out, lines())
    rows = [
        {"format": name, "status": status, "rule": rule or None, "documents": number}
        for (name, status, rule), number in sorted(counted.items())
    ]

    def text() -> None:
        for row in rows:
            rule = f"  {row['rule']}" if row["rule"] else ""
            name = row["format"] or "unknown"
            typer.echo(f"{row['documents']:>8,}  {name:<8} {row['status']}{rule}")
        typer.echo(f"records: {written}")

    result = {"documents": len(documents), "records": str(written), "counts": rows}
    emit(result, as_json=as_json, text=text)


def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="FORMAT", help="Print its roots, fields and paths.")
    ] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """List the formats of messages, with those of installed packages, or describe one.

    The exit status is 1 if a package has a format that is not read.
    """
    from features.messages.installed import describe_tables, list_formats
    from features.messages.translation import check_format

    found = list_formats()
    if name is not None:
        check_format(name)
        (known,) = (one for one in found if one.name == name and one.formats)
        tables = describe_tables(known)
        emit({"format": name, "tables": tables}, as_json=as_json, text=lambda: typer.echo(tables))
        return
    rows = [
        {"format": one.name, "package": one.package, "rule": one.rule or None, "why": one.detail}
        for one in found
    ]

    def text() -> None:
        for one in found:
            why = f"  not read: {one.rule}  {one.detail}" if one.rule else ""
            typer.echo(f"{one.name:<16} {one.package}{why}".rstrip())

    emit({"formats": rows}, as_json=as_json, text=text)
    if any(one.rule for one in found):
        raise typer.Exit(1)


def extract(
    folder: Annotated[Path, typer.Argument(help="Folder of reports: .txt, .md and .pdf.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for reports.jsonl.")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Network file; names the posts.")
    ] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Read old reports of seizures into proposals, each value with the passage it came from.

    Nothing is recorded: a person confirms each proposal. A refused file is a line of the report.
    """
    from engine.domain.network import read_network
    from features.seizure_reports.extraction import (
        describe,
        read_seizure_report,
        read_seizure_reports,
    )

    known = read_network(network).posts if network else {}
    posts = {code: (post.name,) for code, post in known.items()}
    documents: list[dict[str, Any]] = []
    for report in read_seizure_reports(folder):
        line: dict[str, Any] = {"document": report.path, "status": "refused", "seizures": []}
        if report.refusal:
            line["rule"] = report.refusal
        else:
            line |= describe(read_seizure_report(report.text, posts))
        documents.append(line)
    if out:
        write_lines(out, documents, name=REPORTS_FILE)

    def text() -> None:
        for line in documents:
            typer.echo(
                " ".join((f"{line['document']}:", line["status"], line.get("rule", ""))).strip()
            )
            for seizure in line["seizures"]:
                typer.echo("    " + ", ".join(_show_values(seizure)))

    emit({"documents": documents}, as_json=as_json, text=text)


def _show_values(seizure: Mapping[str, Any]) -> Iterator[str]:
    for name, found in seizure.items():
        stated = found if isinstance(found, list) else [found]
        yield f"{name} {'; '.join(str(one['value']) for one in stated)}"


def write_lines(out: Path, lines: Iterable[dict[str, Any]], *, name: str = RECORDS_FILE) -> Path:
    """Write one JSON object a line, whole or not at all, and return the file."""
    out.mkdir(parents=True, exist_ok=True)
    target = out / name
    draft = target.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    draft.replace(target)
    return target


def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="One SELECT statement, in the SQL of DuckDB; - reads it from standard input."
        ),
    ],
    home: HomeOption,
    as_of: Annotated[
        int | None,
        typer.Option(metavar="T", parser=instant, help="Answer as known then; UTC. Default: now."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--as", help="Your name, to see identifiers; recorded.")
    ] = None,
    max_rows: Annotated[
        int | None, typer.Option(min=1, help="Refuse a longer answer.", metavar="N")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Refuse a longer run.", metavar="S")
    ] = None,
    *,
    polite: PoliteOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated rows.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the home by SQL, as known at a time; identifiers are keyed digests.

    Views: crossings, declarations, goods_items, inspections, seizures, decisions, reviews and
    features.
    """
    from experiments.analysis.home_history import (
        HomeHistory,
        QueryLimits,
        check_moment,
        run_query,
    )

    if as_csv and as_json:
        raise typer.BadParameter("one form of answer: --csv or --json", param_hint="--csv")
    if polite:
        step_back(if_polite=True)
        setrlimit(RLIMIT_AS, (QUERY_SPACE, QUERY_SPACE))
    if query == "-":
        query = sys.stdin.read()
    limits = QueryLimits(max_rows, max_seconds, QUERY_MEGABYTES if polite else None)
    moment = check_moment(as_of, name="--as-of")
    if by is None:
        with opened_to_read(home) as (found, store):
            history = HomeHistory(found, store.read, moment, _identifier_key(found))
            answer = run_query(query, history, limits)
    else:
        with open_desk(home, by) as desk:
            _record_reading(desk)
            service = desk.service
            history = HomeHistory(service.home, service.store.read, moment, None)
            answer = run_query(query, history, limits)
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(escape_cells(answer.columns))
        writer.writerows([_csv_cell(cell) for cell in row] for row in answer.rows)
        return
    rows = [dict(zip(answer.columns, map(_plain_cell, row), strict=True)) for row in answer.rows]
    result = {"columns": list(answer.columns), "rows": rows}
    result |= {"as_of": rfc3339(moment), "digest": _digest_answer(result)}

    def text() -> None:
        from rich.markup import escape
        from rich.table import Table

        table = Table(*answer.columns)
        for row in answer.rows:
            table.add_row(*("" if cell is None else escape(_show_cell(cell)) for cell in row))
        print_table(table)

    emit(result, as_json=as_json, text=text)


def quality(
    home: HomeOption,
    as_of: Annotated[
        int | None,
        typer.Option(metavar="T", parser=instant, help="Assess what was known then; UTC."),
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep it in the home, for the page of the service.")
    ] = False,
    polite: PoliteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Assess the data by post, field and week: missing, late, doubled, unknown, skewed, stuck."""
    from engine.audit.file_anchors import open_network
    from experiments.analysis.data_quality import assess_quality
    from experiments.analysis.home_history import HomeHistory, check_moment

    step_back(if_polite=polite)
    moment = check_moment(as_of, name="--as-of")
    with opened_to_read(home) as (found, store):
        history = HomeHistory(found, store.read, moment, _identifier_key(found))
        network = open_network(found, store)
        report = assess_quality(history, network)
        result = {
            "as_of": rfc3339(moment),
            "synthetic": network.synthetic,
            "findings": [asdict(one) for one in report.findings],
            "weeks": report.weeks,
        }
        if keep:
            write_whole(found.quality, json.dumps(result))

    def text() -> None:
        for one in report.findings:
            typer.echo(one.text)
        findings = count_of(len(report.findings), "finding")
        typer.echo(f"{findings}, {count_of(len(report.weeks), 'week')} of fields")

    emit(result, as_json=as_json, text=text)


def _identifier_key(home: "Home") -> bytes:
    """Return the key of digests: of this home where it has a pepper, else of this command alone."""
    from api.auth.credentials import PEPPER_FILE, open_pepper

    pepper = open_pepper(home) if (home.keys / PEPPER_FILE).exists() else token_bytes()
    return hmac.digest(pepper, b"identifiers in queries", "sha256")


def _record_reading(desk: "ProposalDesk") -> None:
    """Record who is about to read identifiers; raises ``NotAllowedError``."""
    from engine.journal.kinds import SENSITIVE_READ

    caller = desk.caller
    caller.must_see_all()
    fields: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": 0,
        "kind": "sql",
    }
    desk.service.journal.append([SENSITIVE_READ.draft("sql", fields)])


def _digest_answer(answer: Mapping[str, Any]) -> str:
    """Return the SHA-256 of columns and rows as JSON, with which two answers are compared."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain_cell(cell: Any) -> Any:
    """Return a cell as JSON has it; times as RFC 3339, decimals as numbers, the rest as text."""
    if isinstance(cell, datetime):
        return rfc3339(micros(cell))
    if isinstance(cell, float):
        return cell if isfinite(cell) else None
    if isinstance(cell, Decimal):
        return float(cell)
    if isinstance(cell, list | tuple):
        return [_plain_cell(one) for one in cell]
    return cell if isinstance(cell, str | int | bool | None) else str(cell)


def _csv_cell(cell: Any) -> Any:
    """Return a cell of a file: numbers as they are, and no text that is a formula."""
    plain = _plain_cell(cell)
    if plain is None or isinstance(plain, int | float):
        return plain
    return escape_cell(_show_cell(plain))


def _show_cell(cell: Any) -> str:
    plain = _plain_cell(cell)
    return ";".join(map(str, plain)) if isinstance(plain, list) else str(plain)


LoadFormatOption = Annotated[
    str, typer.Option(help="What the files look like: contract, kcs, or a format of messages.")
]


def load(
    home: HomeOption,
    folder: Annotated[
        Path, typer.Argument(help="Bulk folder, or a folder of messages; for --guess a file.")
    ],
    ignore_columns: IgnoreOption = None,
    settings: SettingsOption = None,
    max_bad: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of a file's rows that may be bad.", metavar="SHARE"),
    ] = 1.0,
    out: Annotated[
        Path, typer.Option(help="With --check: where the faults go.", metavar="FILE")
    ] = Path("quarantine.csv"),
    mapping: Annotated[
        Path | None,
        typer.Option(help="How the tables of the office become the contract's.", metavar="FILE"),
    ] = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Read all, and load nothing.")] = False,
    guess: Annotated[
        bool, typer.Option("--guess", help="Propose a mapping for one file; loads nothing.")
    ] = False,
    format: LoadFormatOption = "contract",  # noqa: A002 - the option's name
    as_json: JsonOption = False,
) -> None:
    """Load history into the home; bad rows are quarantined one by one, none is lost.

    Ends with 1 where a file has no good row, or more bad ones than --max-bad permits; the good rows
    stay loaded. Standard messages stand next to crossings.csv; their settings are the home's
    messages.toml unless --settings names others. --mapping reads tables as an office has them.
    """
    if guess:
        _guess(folder, as_json=as_json)
        return
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    ignored = names(ignore_columns)
    if (mapping is not None) and (format != "contract" or settings is not None or ignored):
        raise InputError("--mapping", "goes with no --format, --settings or --ignore-columns")
    loaded = (
        _check(home, folder, ignored, settings, kind=format, out=out, mapping=mapping)
        if check
        else _load(home, folder, ignored, settings, kind=format, mapping=mapping)
    )
    if loaded.new_posts:
        say(_unknown_posts(loaded.new_posts))
    bad = dict(loaded.list_bad_files(max_bad))
    for file in loaded.accepted:
        _say_what_is_wrong(folder / file, loaded, bad.get(file), is_mapped=mapping is not None)
    text = partial(_show_load, loaded, is_checked=check)
    emit(loaded.as_json(), as_json=as_json, text=text, ok=not bad)


def _guess(file: Path, *, as_json: bool) -> None:
    """Print the mapping that a file may need, and say how many columns it recognises."""
    from features.intake.mapping_guess import guess_mapping

    found = guess_mapping(file)
    sure = Counter(one.sure or "not recognised" for one in found.columns)
    columns = [asdict(one) for one in found.columns]
    emit(
        {"mapping": found.text, "columns": columns},
        as_json=as_json,
        text=partial(typer.echo, found.text, nl=False),
    )
    counts = ", ".join(f"{number} {kind}" for kind, number in sure.items())
    say(f"{count_of(len(columns), 'column')}: {counts}")


def withdraw(
    home: HomeOption,
    load: Annotated[str, typer.Argument(metavar="LOAD", help="What `darvoza load` printed.")],
    by: ByOption,
    why: Annotated[str, typer.Option(help="Why, for the second person.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose that a load leave the history; the same command of a second person withdraws it."""
    from api.audit.load_withdrawal import find_load
    from api.audit.proposals import LOAD_WITHDRAWAL, WithdrawalProposal

    with open_desk(home, by) as desk:
        digest = find_load(desk.service.home, load)
        proposed = WithdrawalProposal(load=digest, why=why)
        done = asdict(desk.propose_or_approve(LOAD_WITHDRAWAL, proposed, {"load": digest}))
    emit(done, as_json=as_json, text=partial(_show_withdrawal, done))


def _show_withdrawal(done: Mapping[str, Any]) -> None:
    for name, rows in done["rows"].items():
        typer.echo(f"{rows:>10,}  {name}")
    if done["state"] == "proposed":
        typer.echo("proposed: nothing has changed yet")
        typer.echo("a second person withdraws the load with the same command within 30 days")
        return
    typer.echo(
        f"withdrawn by {done['by'][1]}, proposed by {done['by'][0]}; load the right files now"
    )
    typer.echo("decisions stay as they were; train a new model where one has learnt from this load")


def _check(
    home: Path,
    folder: Path,
    ignored: Sequence[str],
    settings: Path | None,
    *,
    kind: str,
    out: Path,
    mapping: Path | None,
) -> "LoadResult":
    """Read a folder by what a home that is there says of posts and goods, and write its faults."""
    from engine.audit.file_anchors import open_network
    from engine.criteria.policy import read_goods_classes
    from engine.storage.home import Home
    from features.intake.load import check_folder
    from features.intake.mapping import read_mapping
    from features.messages.settings import choose_settings
    from features.offline.memory_release import pause_collection

    network = goods = None
    if (home / "history").is_dir():
        with opened_to_read(home) as (found, store):
            network = open_network(found, store)
            with store.read() as connection:
                goods = read_goods_classes(connection)
    with pause_collection(), progress() as report_progress:
        return check_folder(
            folder,
            out,
            format=kind,
            ignore_columns=ignored,
            progress=report_progress,
            settings=read_mapping(mapping) if mapping else choose_settings(Home(home), settings),
            network=network,
            goods=goods,
        )


def _load(
    home: Path,
    folder: Path,
    ignored: Sequence[str],
    settings: Path | None,
    *,
    kind: str,
    mapping: Path | None,
) -> "LoadResult":
    """Load a folder, and let counters and links follow."""
    from api.cli.links import announce_loaded
    from engine.audit.erasures import resume_removals
    from engine.audit.file_anchors import declare_network, open_network
    from engine.criteria.policy import read_goods_classes
    from features.intake.load import load as take_in
    from features.intake.mapping import read_mapping
    from features.messages.settings import choose_settings
    from features.offline.memory_release import keep_freed_memory, pause_collection

    keep_freed_memory()
    with pause_collection(), open_home(home) as (found, store):
        resume_removals(found, store)
        network = open_network(found, store)
        with store.read() as connection:
            goods = read_goods_classes(connection)
        with progress() as report_progress:
            loaded = take_in(
                found,
                folder,
                format=kind,
                ignore_columns=ignored,
                progress=report_progress,
                announce=partial(_begin, store),
                settings=read_mapping(mapping) if mapping else choose_settings(found, settings),
                network=network,
                goods=goods,
            )
        declare_network(found, store, has_new_posts=loaded.has_new_network)
        _fill_counters(found, store, loaded)
        announce_loaded(found, store)
    return loaded


def _fill_counters(home: "Home", store: "Store", loaded: "LoadResult") -> None:
    """Let the counters start from the whole history, unless they do."""
    from features.catalogue.plan import current_plan
    from features.history.tables import epoch, loads
    from features.online.backfill import counts_differently, open_epoch
    from features.online.crossing_index import is_current

    plan = current_plan()
    with store.read() as connection:
        is_known = is_current(connection, epoch(home), plan.digest)
        is_known |= not loads(home)
        if is_known and not counts_differently(connection):
            return
    about = loaded.as_body() if any(loaded.rows.values()) else None
    open_epoch(home, store, plan, about=about, report=say)


def _show_load(loaded: "LoadResult", *, is_checked: bool) -> None:
    for name, rows in loaded.accepted.items():
        typer.echo(f"{rows:>10,} accepted {loaded.quarantined[name]:>8,} quarantined  {name}")
    for line in _describe_fields(loaded):
        typer.echo(line)
    for name, rows in loaded.differences.items():
        what = "document not in the folder" if name == "document" else f"document differs: {name}"
        typer.echo(f"{rows:>10,} {what}")
    typer.echo(f"quarantine: {loaded.quarantine_file}")
    if loaded.digest:
        typer.echo(f"load: {loaded.digest}")
    if is_checked:
        typer.echo("checked: nothing was loaded")
    elif not loaded.is_new:
        typer.echo("this load was in the home already: nothing has changed")


def _describe_fields(loaded: "LoadResult") -> Iterator[str]:
    """Yield a line for each field with placeholders, and of a check for what each field holds."""
    for file, fields in loaded.placeholders.items():
        for field, rows in fields.items():
            yield f"{rows:>10,} placeholders, taken as missing  {file} {field}"
    for table, known in loaded.fields.items():
        for name, one in known.items():
            what = f"{one.filled:>10,} filled  {table} {name}"
            if one.least is not None:
                what += f"  {one.least} to {one.most}"
            elif one.values is not None:
                what += f"  {count_of(one.values, 'value')}"
            yield what + (f", {count_of(one.look_alikes, 'look-alike')}" if one.look_alikes else "")


def _say_what_is_wrong(
    path: Path, loaded: "LoadResult", why: str | None, *, is_mapped: bool
) -> None:
    """Say why a file fails the command, and in which form it is where its rows are bad."""
    from features.intake.file_reader import read_dialect

    if why is not None:
        say(f"{path.name}: {why}")
    is_bad = loaded.quarantined[path.name] > loaded.held.get(path.name, 0)
    if is_bad and not is_mapped and path.suffix == ".csv" and str(dialect := read_dialect(path)):
        say(f"{path.name}: {dialect}")


def _unknown_posts(posts: Mapping[str, int]) -> str:
    """Return a warning: without a network file a mistyped code is a post like any other."""
    shown = ", ".join(f"{post} (crossings: {rows:,})" for post, rows in list(posts.items())[:20])
    more = f" and {len(posts) - 20:,} more" if len(posts) > 20 else ""
    return f"warning: no network file names these posts, check their codes: {shown}{more}"


def _begin(store: "Store", loaded: "LoadResult") -> None:
    """Record a load before its folder is in place."""
    from engine.journal.journal import Journal
    from engine.journal.kinds import LOAD_BEGUN

    Journal(store).append([LOAD_BEGUN.draft(loaded.digest, loaded.as_body())])
