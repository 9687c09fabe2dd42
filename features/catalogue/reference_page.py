"""The catalogue as a page for analysts, printed from the declarations."""

from collections.abc import Iterator
from textwrap import wrap

from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, Read, window_name

_HEAD = """\
# Features

Look up what a feature means, its unit, and which counters it reads.

*Printed by `python -m features.catalogue.reference_page` from `features/catalogue/catalogue.py`.*

A feature is made of facts of the crossing at hand and of as-of reads: the difference of two values
of a cumulative integer counter, with a strict `<` on the time at which each event became known.
Nothing that becomes known later can change it. An unknown value is NaN, never zero.

No feature describes a person. **Proxy** marks a feature that could stand in for a person's origin,
because goods come from countries as people do: every evaluation reports their joint effect.

"""
_READS = """\
## Reads

`stream by entities, window` names each read; `of` names the entity that is looked up where it is
not the crossing's own. Features that are not listed use the crossing itself. Events of `spread` are
differences between half-weekly snapshots, so that their sum is the value as of the last one
(decision 2).

"""
_WIDTH = 118


def markdown(plan: Plan) -> str:
    """Return the page."""
    families: dict[str, list[str]] = {}
    for name, feature in plan.catalogue.items():
        families.setdefault(feature.family, []).append(_row(name, feature))
    lines = [f"{len(plan.names)} features in {len(families)} families.", ""]
    for family, rows in families.items():
        lines += [f"## {family.capitalize()}", "", *rows, ""]
    return _HEAD + "\n".join(lines) + "\n" + _READS + "\n".join(_read_items(plan)) + "\n"


def _row(name: str, feature: Feature) -> str:
    mark = " **proxy**" if feature.proxy else ""
    return _wrap_item(f"- `{name}` ({feature.unit}): {feature.meaning}{mark}")


def _read_items(plan: Plan) -> Iterator[str]:
    """Yield one list item for each set of reads, with the features that share it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for name, feature in plan.catalogue.items():
        if reads := tuple(_reads(feature)):
            shared.setdefault(reads, []).append(f"`{name}`")
    for reads, names in shared.items():
        yield _wrap_item(f"- {', '.join(names)}:" + (f" {reads[0]}" if len(reads) == 1 else ""))
        if len(reads) > 1:
            yield from (_wrap_item(f"  - {read}") for read in reads)


def _wrap_item(item: str) -> str:
    indent = " " * (item.index("-") + 2)
    return "\n".join(
        wrap(item, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )


def _reads(feature: Feature) -> Iterator[str]:
    measures: dict[str, list[str]] = {}
    for item in feature.inputs:
        if isinstance(item, Read):
            by = " + ".join(item.by) or "all"
            of = "" if item.of == item.by else f" of {' + '.join(item.of)}"
            window = "the last" if item.is_last else window_name(item.window)
            read = f"{item.stream} by {by}{of}, {window}"
            measures.setdefault(read, []).append(item.measure)
    for read, names in measures.items():
        yield f"{', '.join(dict.fromkeys(names))}: {read}"


if __name__ == "__main__":
    from features.catalogue.catalogue import CATALOGUE

    print(markdown(Plan(CATALOGUE)), end="")
