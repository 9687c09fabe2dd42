"""Standard messages: the tables of their page, and the open documents of other authors."""

from pathlib import Path

from features.messages.path_tables import Field, MessageFormat
from features.messages.translation import FORMATS

PAGE = Path(__file__).parents[4] / "docs" / "messages.md"
START, END = "<!-- tables: start -->", "<!-- tables: end -->"


def tables() -> str:
    """Return every format's mapped fields and dropped leaves as Markdown."""
    roots: dict[int, list[str]] = {}
    for (namespace, name), known in FORMATS.items():
        roots.setdefault(id(known), []).append(f"`{name}` ({namespace or 'no namespace'})")
    formats = {id(known): known for known in FORMATS.values()}
    return "\n".join(_format(known, sorted(roots[key])) for key, known in formats.items())


def _format(known: MessageFormat, roots: list[str]) -> str:
    table = known.table
    lines = [f"### {known.name}", "", "Roots:", ""]
    lines += [f"- {root}" for root in roots]
    lines += ["", "Fields, each with its rule and its paths in order of preference:", ""]
    for record, fields in (
        ("crossing", table.crossing),
        ("declaration", table.declaration),
        ("item", table.item),
    ):
        for each in fields:
            lines += _field(record, each)
    lines += ["", "Dropped:", ""]
    lines += [f"- `{path}`: {rule}" for path, rule in sorted(table.dropped.items())]
    return "\n".join([*lines, ""])


def _field(record: str, each: Field) -> list[str]:
    rule = (each.rule.__doc__ or "").strip().splitlines()[0].removeprefix("Return ").rstrip(".")
    return [f"- {record}.`{each.name}`: {rule}", *(f"  - `{path}`" for path in each.paths)]


def main() -> None:
    """Write the tables into the page."""
    page = PAGE.read_text("utf-8")
    head, rest = page.split(START)
    tail = rest.split(END)[1]
    PAGE.write_text(f"{head}{START}\n\n{tables()}\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()


_PLACE = Path("shared") / "data" / "messages"
_ROOT = Path(__file__).parents[4]
MESSAGES = next(
    (up / _PLACE for up in (_ROOT.parent, _ROOT.parents[1]) if (up / _PLACE).is_dir()),
    _ROOT / _PLACE,
)
"""The folder next to the working copy; it may be absent."""
