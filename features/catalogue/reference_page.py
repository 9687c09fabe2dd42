"""The catalogue as a page for analysts: ``docs/features.md``, made from the declarations."""

from collections.abc import Iterator

from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, Read, window_name

_HEAD = """\
# Features

*Made from `features/catalogue/catalogue.py` by `python -m features.catalogue.reference_page`;
a test fails when it is stale.*

A feature is made of facts of the crossing at hand and of as-of reads: the difference of two values
of a cumulative integer counter, with a strict `<` on the time at which each event became known.
Nothing that becomes known later can move it. `stream by entities, window` names each read; `of`
names what is looked up where it is not the crossing's own. Unknown is NaN, never zero.

Nothing about a person is among them. **Proxy** marks a feature that could stand in for a person's
origin, because goods come from countries as people do: every evaluation reports on the joint effect
of these.

"""


def markdown(plan: Plan) -> str:
    """Return the page."""
    families: dict[str, list[str]] = {}
    for name, feature in plan.catalogue.items():
        families.setdefault(feature.family, []).append(_row(name, feature))
    lines = [f"{len(plan.names)} features in {len(families)} families.", ""]
    for family, rows in families.items():
        lines += [f"## {family.capitalize()}", "", "| feature | unit | meaning | reads |"]
        lines += ["|---|---|---|---|", *rows, ""]
    return _HEAD + "\n".join(lines).rstrip() + "\n"


def _row(name: str, feature: Feature) -> str:
    mark = " **proxy**" if feature.proxy else ""
    reads = "; ".join(_reads(feature)) or "the crossing itself"
    return f"| `{name}` | {feature.unit} | {feature.meaning}{mark} | {reads} |"


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
