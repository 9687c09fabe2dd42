"""Commands of the analysts: backtest, and what they share with train and evaluate."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from api.commands.common import JsonOption, emit, progress
from api.commands.data import FormatOption
from engine.errors import HomeError
from engine.times import DAY, micros

if TYPE_CHECKING:
    from models.backtest import Backtest

InstantArgument = Annotated[str, typer.Option(metavar="T", help="A date or time; UTC.")]


def instant(text: str) -> int:
    """Read a date (midnight UTC) or a time, UTC where it names no offset; microseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a date such as 2026-01-31, or an RFC 3339 time") from None
    return micros(found if found.tzinfo else found.replace(tzinfo=UTC))


def backtest(
    folder: Annotated[Path, typer.Argument(help="Bulk folder; only this is read.")],
    train_until: InstantArgument,
    test_from: InstantArgument,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv and report.json.")],
    test_until: Annotated[str, typer.Option(metavar="T", help="Default: the end.")] = "",
    labels: Annotated[Literal["frozen", "streaming"], typer.Option()] = "frozen",
    label_delay_days: Annotated[float, typer.Option(min=0)] = 0.0,
    refit_days: Annotated[float, typer.Option(min=0)] = 0.0,
    config: Annotated[Path | None, typer.Option(help="Training configuration, TOML.")] = None,
    *,
    format: FormatOption = "contract",  # noqa: A002 - the option's name
    as_json: JsonOption = False,
) -> None:
    """Score every crossing of a test period with what was known then."""
    from features.acts import NEVER
    from features.catalogue import CATALOGUE
    from features.intake import read_folder
    from features.plan import Plan
    from models.backtest import Period
    from models.backtest import backtest as run
    from models.config import TrainConfig

    if not folder.is_dir():
        raise HomeError(folder.name, "no such folder")
    try:
        period = Period(
            instant(train_until),
            instant(test_from),
            instant(test_until) if test_until else NEVER,
            labels,
            round(label_delay_days * DAY),
            round(refit_days * DAY),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    settings = TrainConfig() if config is None else TrainConfig.from_toml(config)
    with progress() as told:
        tables = read_folder(folder, format=format, progress=told).tables
        made = run(tables, Plan(CATALOGUE), settings, period, progress=told)
    out.mkdir(parents=True, exist_ok=True)
    _write_scores(made, out / "scores.csv")
    (out / "report.json").write_text(json.dumps(made.report, indent=1), "utf-8")
    emit(made.report, as_json=as_json, text=lambda: _said(made.report))


def _write_scores(made: "Backtest", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv

    names = ("p_seizure", "p_discrepancy", "risk")
    columns: dict[str, Any] = {"crossing_id": made.crossing_id}
    columns |= {name: getattr(made, name) for name in names}
    pyarrow.csv.write_csv(pa.table(columns), path)


def _said(report: dict[str, Any]) -> None:
    from models.report_text import page

    typer.echo(page(report))
