"""History of one administration: its posts, its records, nothing else.

A record belongs to the administration of the post of its crossing. A find that names a plate alone
belongs to that of the crossing that it was linked to; one that was linked to none, and a crossing
at a post that no network names, belong to no administration.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.network import Network
from features.history.tables import Tables, arrange_table, content_digest

TABLE_NAMES = ("crossings", "declarations", "goods_items", "inspections", "seizures")


def list_administrations(network: Network) -> dict[str, frozenset[str]]:
    """Return the posts of each administration of a network, in the order of their names.

    >>> list_administrations(Network())
    {}
    """
    found: dict[str, set[str]] = {}
    for code, post in network.posts.items():
        found.setdefault(post.administration, set()).add(code)
    return {name: frozenset(found[name]) for name in sorted(found)}


def list_facing_posts(network: Network, one: str, other: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of posts at which two administrations face each other, first one's first.

    It suffices that one of two posts names the other as its pair.
    """
    found = set()
    for code in network.posts:
        pair = network.pair(code)
        if pair is not None:
            found |= {(code, pair), (pair, code)}
    sides = {code: post.administration for code, post in network.posts.items()}
    return tuple(sorted(pair for pair in found if (sides[pair[0]], sides[pair[1]]) == (one, other)))


def select_own(tables: Tables, posts: Iterable[str]) -> Tables:
    """Return what an administration recorded itself, with a network of its posts alone."""
    own = pa.array(sorted(posts), pa.string())
    crossings = tables.crossings.filter(pc.is_in(tables.crossings["post"], value_set=own))
    ids = crossings["crossing_id"].combine_chunks()
    declared = crossings["declaration_id"].drop_null().combine_chunks()

    def keep(name: str, column: str, values: Any) -> Any:
        table = tables.table(name)
        return table.filter(pc.is_in(table[column], value_set=values))

    return join_rows(
        replace(
            tables,
            crossings=crossings,
            declarations=keep("declarations", "declaration_id", declared),
            goods_items=keep("goods_items", "declaration_id", declared),
            inspections=keep("inspections", "crossing_id", ids),
            seizures=keep("seizures", "linked_crossing_id", ids),
        ),
        network=restrict_network(tables.network, posts),
    )


def restrict_network(network: Network, posts: Iterable[str]) -> Network:
    """Return a network in which only these posts report."""
    kept = set(posts)
    left = {code: post for code, post in network.posts.items() if code in kept}
    return replace(network, posts=MappingProxyType(left))


def join_rows(
    tables: Tables, *, network: Network, added: Mapping[str, Any] | None = None
) -> Tables:
    """Return a history with more rows by table, each of the schema of its table; keys are new."""
    made = {
        name: arrange_table(
            name, pa.concat_tables([arrange_table(name, tables.table(name)), added[name]])
        )
        if added and name in added
        else tables.table(name).combine_chunks()
        for name in TABLE_NAMES
    }
    return Tables(**made, network=network, digest=content_digest(made))
