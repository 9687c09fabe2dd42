"""The formats of this installation: those of this tree, and those that installed packages add.

All come by one door: an entry point names a :class:`MessageFormat`, or a tuple of those that share
its name. Those of this tree are named here; a package's are entry points of the group
``darvoza.formats``. A package's format that cannot be loaded, or that takes a name or a root of
another, is left out and says by which rule; every other one is read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from features.messages.path_tables import Field, MessageFormat

GROUP = "darvoza.formats"
_OWN = {
    "asycuda": "features.messages.asycuda:FORMAT",
    "eaeu": "features.messages.eaeu:FORMAT",
    "ecmr": "features.messages.consignment_notes:ECMR",
    "efti": "features.messages.consignment_notes:EFTI",
    "ncts": "features.messages.ncts:FORMAT",
    "wco": "features.messages.wco_declaration:FORMAT",
}
OTHERS = ("contract", "kcs")
"""Names of formats of bulk files, which no format of messages takes."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LONGEST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class InstalledFormat:
    """A format by its name, and where it comes from."""

    name: str
    package: str = ""
    """Name and version of the package that adds it; empty for those of this tree."""
    formats: tuple[MessageFormat, ...] = ()
    """What reads it; empty if it is not read."""
    rule: str = ""
    """Why it is not read: ``not_loaded``, ``not_a_format``, ``malformed_name``, ``other_name``,
    ``name_taken`` or ``root_taken``."""
    detail: str = ""
    """What the package's own error says, or which root is taken."""

    def list_roots(self) -> set[tuple[str, str]]:
        """Return namespace and local name of the roots of its documents."""
        return {root for each in self.formats for root in each.roots}


@cache
def list_formats() -> tuple[InstalledFormat, ...]:
    """Return the formats of this tree by name, then those of packages by package and name."""
    own = [EntryPoint(name, value, GROUP) for name, value in _OWN.items()]
    found: list[InstalledFormat] = []
    for point in (*own, *sorted(entry_points(group=GROUP), key=_order)):
        found.append(_load(point, found))
    return tuple(found)


def find_by_root() -> dict[tuple[str, str], MessageFormat]:
    """Return the format of each known root, by namespace and local name."""
    formats = [each for known in list_formats() for each in known.formats]
    return {root: each for each in formats for root in each.roots}


def name_package(point: EntryPoint) -> str:
    """Return name and version of the package of an entry point."""
    return "" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _order(point: EntryPoint) -> tuple[str, str, str]:
    return name_package(point), point.name, point.value


def _load(point: EntryPoint, before: list[InstalledFormat]) -> InstalledFormat:
    """Return a format, or the rule that it breaks; a package's code may raise anything."""
    package = name_package(point)
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:
        detail = f"{type(error).__name__}: {error}"
        return InstalledFormat(point.name, package, rule="not_loaded", detail=_printable(detail))
    formats = loaded if isinstance(loaded, tuple) else (loaded,)
    rule, detail = _find_fault(point.name, formats, before)
    return InstalledFormat(point.name, package, () if rule else formats, rule, _printable(detail))


def _find_fault(
    name: str, formats: tuple[object, ...], before: list[InstalledFormat]
) -> tuple[str, str]:
    """Return the rule that a format breaks, and the root if one is taken; empty for none."""
    known = [each for each in formats if isinstance(each, MessageFormat)]
    if not known or len(known) < len(formats):
        return "not_a_format", ""
    if _NAME.fullmatch(name) is None:
        return "malformed_name", ""
    if any(each.name != name for each in known):
        return "other_name", ""
    if name in OTHERS or any(name == one.name and one.formats for one in before):
        return "name_taken", ""
    roots = {root for one in before for root in one.list_roots()}
    taken = sorted(root for each in known for root in each.roots & roots)
    return ("root_taken", " ".join(taken[0])) if taken else ("", "")


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_DETAIL]).strip()


def describe_tables(known: InstalledFormat) -> str:
    """Return a format's roots, mapped fields and dropped leaves as Markdown."""
    return "\n\n".join("\n".join(_describe(each)) for each in known.formats)


def _describe(known: MessageFormat) -> Iterator[str]:
    yield f"# {known.name}"
    yield from ("", "Roots:", "")
    yield from sorted(f"- `{name}` ({space or 'no namespace'})" for space, name in known.roots)
    yield from ("", "Fields, each with its rule and its paths in order of preference:", "")
    table = known.table
    records: Mapping[str, tuple[Field, ...]] = {
        "crossing": table.crossing,
        "declaration": table.declaration,
        "item": table.item,
    }
    for record, fields in records.items():
        for each in fields:
            rule = (each.rule.__doc__ or "").strip().splitlines()[:1]
            says = "".join(rule).removeprefix("Return ").rstrip(".")
            yield f"- {record}.`{each.name}`: {says}"
            yield from (f"  - `{path}`" for path in each.paths)
    yield from ("", "Dropped:", "")
    yield from (f"- `{path}`: {rule}" for path, rule in sorted(table.dropped.items()))
