"""Parties of the loaded history: who crossed, and which crossings each party had.

The loaded history lies in files that the service does not read. A load therefore keeps, for each
vehicle and party, its name and its crossings, in chunks of ``CHUNK`` in the order in which they
became known: what a party did lately is one seek, however long the history is and however often it
crossed. Records of this service are found by :mod:`engine.queue.identifier_index` instead.

Filled by :func:`features.online.backfill.backfill` alone, as the counters are.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, select

from engine.domain.identifiers import fold
from engine.storage.database import insert_rows, split_in_slices
from features.catalogue.encoder import DOMAIN, key
from features.catalogue.plan import Plan
from features.online.crossing_index import LOADED_PARTIES, PASSAGES, unpack_keys

Ints = NDArray[np.int64]
PartyRole = Literal[
    "plate", "trailer", "container", "driver", "carrier", "consignor", "consignee", "declarant"
]
ROLES: tuple[PartyRole, ...] = get_args(PartyRole)
"""As what something takes part in a crossing; their order gives the numbers in the store."""
CHUNK = 256
"""Crossings of one row."""
_AT_ONCE, _BLOCK = 500, 200_000

_L, _P = LOADED_PARTIES.c, PASSAGES.c


@dataclass(frozen=True, slots=True)
class PartyColumn:
    """One role in n crossings: ``names[codes - 1]``, none where a code is 0."""

    role: PartyRole
    codes: NDArray[Any]
    names: Sequence[str]
    """Each with its domain in front, where it has one."""


@dataclass(frozen=True, slots=True)
class LoadedPassage:
    """A crossing of the loaded history."""

    crossing_id: str
    post: str
    is_entry: bool
    arrived_at: int
    known_at: int
    """UTC microseconds, as ``arrived_at``."""
    inspected: bool
    hit: bool
    """What acts found of it, as of now."""
    parties: Mapping[PartyRole, int]
    """Keys of who took part; containers are not among them."""


def fill_parties(
    connection: Connection,
    columns: Iterable[PartyColumn],
    *,
    crossing_id: Any,
    known_at: Ints,
    is_loaded: NDArray[np.bool_],
) -> None:
    """Replace the parties by those of a history of n crossings, in the order of ``known_at``.

    ``crossing_id`` is indexed by row numbers, ``is_loaded`` tells which rows are no records of this
    service. Inside one writer's transaction.
    """
    connection.execute(delete(LOADED_PARTIES))
    for column in columns:
        codes = np.asarray(column.codes[:], np.int64)
        rows = np.flatnonzero((codes != 0) & is_loaded)
        names, codes = column.names, codes[rows]
        if column.role == "container":
            names, rows, codes = _split_joined(names, rows, codes)
        order = np.argsort(codes, kind="stable")
        rows, codes = rows[order], codes[order]
        for begin, end in _list_blocks(codes):
            crossings = crossing_id[rows[begin:end]].tolist()
            groups = _group(names, codes[begin:end])
            times = known_at[rows[begin:end]].tolist()
            chunks = _yield_chunks(column.role, groups, crossings, times)
            insert_rows(connection, LOADED_PARTIES, list(chunks))


def _split_joined(
    joined: Sequence[str], rows: Ints, codes: Ints
) -> tuple[Sequence[str], Ints, Ints]:
    """Return names, rows and codes of single containers: those of a vehicle are one text."""
    numbers: dict[str, int] = {}
    own = [
        [numbers.setdefault(number, len(numbers) + 1) for number in text.split("+")]
        for text in joined
    ]
    each = [own[code - 1] for code in codes.tolist()]
    many = [len(one) for one in each]
    return list(numbers), np.repeat(rows, many), np.array([*chain.from_iterable(each)], np.int64)


def _list_blocks(codes: Ints) -> list[tuple[int, int]]:
    """Return begins and ends of parts of sorted codes, about ``_BLOCK`` long; no code is cut."""
    ends = [0]
    while ends[-1] < len(codes):
        last = codes[min(ends[-1] + _BLOCK, len(codes)) - 1]
        ends.append(int(np.searchsorted(codes, last, "right")))
    return list(pairwise(ends))


def _group(names: Sequence[str], codes: Ints) -> Iterator[tuple[str, int, int]]:
    """Yield each name with the begin and the end of its codes, which are sorted."""
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    for begin, end in pairwise([*starts.tolist(), len(codes)]):
        yield names[int(codes[begin]) - 1], begin, end


def _yield_chunks(
    role: PartyRole,
    groups: Iterable[tuple[str, int, int]],
    crossings: Sequence[str],
    known_at: Sequence[int],
) -> Iterator[tuple[object, ...]]:
    for name, first, after in groups:
        entity, plain = key(role, name), name.rpartition(DOMAIN)[2]
        text = fold(plain).encode("utf-8", "surrogatepass")
        last = -1
        for begin in range(first, after, CHUNK):
            end = min(begin + CHUNK, after)
            # Two crossings may become known at one time; two rows of a party may not.
            last = max(known_at[end - 1], last + 1)
            joined = "\n".join(crossings[begin:end])
            yield entity, last, ROLES.index(role), text, plain, end - first, joined


def find_parties(
    connection: Connection, roles: Collection[PartyRole], text: str
) -> list[tuple[PartyRole, str, int]]:
    """Return (role, name, key) of who is called so in these roles; ``text`` is folded.

    One name is several parties where the registers of posts cannot be compared.
    """
    numbers = [ROLES.index(role) for role in roles]
    query = (
        select(_L.role, _L.name, _L.entity)
        .where(_L.text == text.encode("utf-8", "surrogatepass"), _L.role.in_(numbers))
        .distinct()
    )
    return [(ROLES[role], name, entity) for role, name, entity in connection.execute(query)]


def search_parties(
    connection: Connection, text: str, *, most: int
) -> list[tuple[PartyRole, str, int]]:
    """Return (role, name, last known) of parties whose folded name begins with a text.

    Drivers are found on their own page alone.
    """
    begin = text.encode("utf-8", "surrogatepass")
    end = begin[:-1] + bytes([begin[-1] + 1])  # a byte of UTF-8 is never 255
    query = (
        select(_L.role, _L.name, func.max(_L.last))
        .where(_L.text >= begin, _L.text < end, _L.role != ROLES.index("driver"))
        .group_by(_L.role, _L.name)
        .order_by(func.max(_L.last).desc())
        .limit(most)
    )
    return [(ROLES[role], name, last) for role, name, last in connection.execute(query)]


def read_names(connection: Connection, entities: Collection[int]) -> dict[int, str]:
    """Return the names of parties by their keys; one that the loaded history lacks is absent."""
    found: dict[int, str] = {}
    for some in split_in_slices(sorted(entities), _AT_ONCE):
        query = select(_L.entity, _L.name).where(_L.entity.in_(some)).distinct()
        found |= {row.entity: row.name for row in connection.execute(query)}
    return found


def read_loaded(
    connection: Connection, plan: Plan, entity: int, *, before: int, most: int
) -> tuple[list[LoadedPassage], int]:
    """Return the last crossings of a party that were known before a time, and how many there were.

    The newest first, at most ``most`` and no more than ``CHUNK``; ``before`` is in UTC
    microseconds. Crossings that were erased since still count.
    """
    of_party = select(_L.crossings, _L.total).where(_L.entity == entity)
    earlier = connection.execute(
        of_party.where(_L.last < before).order_by(_L.last.desc()).limit(2)
    ).all()
    within = connection.execute(of_party.where(_L.last >= before).order_by(_L.last).limit(1)).all()
    total = earlier[0].total if earlier else 0
    whole = [name for row in earlier for name in row.crossings.split("\n")]
    part = [name for row in within for name in row.crossings.split("\n")]
    partly = [one for one in read_passages(connection, plan, part) if one.known_at < before]
    found = [*partly, *read_passages(connection, plan, whole)]
    found = [one for one in found if any(one.parties.values())]  # an erased one has no keys
    found.sort(key=lambda one: (-one.known_at, one.crossing_id))
    return found[: min(most, CHUNK)], total + len(partly)


def read_passages(
    connection: Connection, plan: Plan, crossings: Sequence[str]
) -> Iterator[LoadedPassage]:
    """Yield crossings by their identifiers, in no particular order."""
    places = {role: plan.column[(role,), (role,)] for role in ROLES if role != "container"}
    columns = (_P.crossing_id, _P.post, _P.is_entry, _P.arrived_at, _P.known_at)
    labels = (_P.inspected, _P.hit)
    for some in split_in_slices(crossings, _AT_ONCE):
        query = select(*columns, *labels, _P.entity_keys).where(_P.crossing_id.in_(some))
        for row in connection.execute(query):
            keys = unpack_keys(bytes(row.entity_keys))
            yield LoadedPassage(
                crossing_id=row.crossing_id,
                post=row.post,
                is_entry=row.is_entry,
                arrived_at=row.arrived_at,
                known_at=row.known_at,
                inspected=row.inspected > 0,
                hit=row.hit > 0,
                parties={role: keys[at] for role, at in places.items() if at < len(keys)},
            )


def drop_erased_containers(connection: Connection, plan: Plan, crossings: Collection[str]) -> None:
    """Delete the containers of erased crossings that no remaining crossing had.

    The keys of a crossing do not name its containers, so all containers are read once.
    """
    erased, touched = set(crossings), defaultdict[int, list[str]](list)
    query = select(_L.entity, _L.crossings).where(_L.role == ROLES.index("container"))
    for entity, joined in connection.execute(query):
        touched[entity] += joined.split("\n")
    for entity, names in touched.items():
        if erased.intersection(names) and not any(
            any(one.parties.values()) for one in read_passages(connection, plan, names)
        ):
            connection.execute(delete(LOADED_PARTIES).where(_L.entity == entity))
