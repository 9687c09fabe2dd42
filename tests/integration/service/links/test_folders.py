"""Parcels of a folder are taken in the order in which they were made, one in memory at a time."""

from pathlib import Path

import pytest

from api.links import exchanges
from api.links.exchanges import PARCEL_SUFFIX, import_parcels
from api.links.post_nodes import follow_records
from engine.journal.kinds import TICK
from engine.links.parcel import SignedParcel, read_parcel
from tests.support.post_and_centre import Installation


def test_each_parcel_is_parsed_once_and_in_order(
    node: Installation, centre: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, made = node.exchange, 4
    for place in range(made):  # under names in the other order
        exchange.journal.append([TICK.draft("", {})])
        follow_records(exchange, node.link.name)
        raw = exchange.make_parcel(node.link).seal(exchange.keys)
        (tmp_path / f"{made - place}{PARCEL_SUFFIX}").write_bytes(raw)
    own = centre.exchange.make_parcel(centre.link).seal(centre.exchange.keys)
    (tmp_path / f"own{PARCEL_SUFFIX}").write_bytes(own)
    (tmp_path / f"bad{PARCEL_SUFFIX}").write_text('{"at":1,', "utf-8")
    held: list[int] = []
    read: list[int] = []

    def watch(raw: bytes) -> SignedParcel:
        assert not held, "the parcel before was taken first"
        signed = read_parcel(raw)
        read.append(signed.parcel.at)
        held.append(len(raw))
        return signed

    take = type(centre.exchange).take

    def release(*given: object, **named: object) -> object:
        held.clear()
        return take(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(exchanges, "read_parcel", watch)
    monkeypatch.setattr(type(centre.exchange), "take", release)
    found = import_parcels(centre.exchange, tmp_path)
    assert read == sorted(read)
    assert len(read) == made + 1
    names = [one.file.removesuffix(PARCEL_SUFFIX) for one in found]
    assert names == ["bad", "4", "3", "2", "1"], "its own is no news"
    assert [bool(one.refused) for one in found] == [True, *[False] * made]
    assert centre.copies()
