"""Posts of the demonstration are staffed by their traffic: shares of it, not alike."""

from pathlib import Path

import numpy as np
import pytest

from engine.decision.inspection_minutes import PRIOR
from engine.domain.network import read_network
from experiments.synthetic import posts
from experiments.synthetic.posts import (
    CLASSES,
    FEWEST_MINUTES,
    POSTS,
    SEARCHED,
    entry_shares,
    network_toml,
    staff_by_traffic,
)

ENTRIES = 5000.0
"""So many that no post falls below the fewest minutes."""
SHARES = entry_shares()


def searched_shares() -> dict[str, tuple[float, ...]]:
    """Shares of its entries that each post's minutes suffice for, searches and looks."""
    minutes = [PRIOR[name] for name in CLASSES]
    whole = ENTRIES * SHARES @ np.array(minutes)
    staffed = staff_by_traffic(ENTRIES)
    return {
        post.code: (one["physical"] / of, 3 * one["documents"] / of)
        for post, one, of in zip(POSTS, staffed, whole, strict=True)
    }


def test_every_post_has_minutes_for_the_same_shares_of_its_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = pytest.approx(tuple(SEARCHED.values()), rel=0.1)
    assert all(found == wanted for found in searched_shares().values())
    monkeypatch.setattr(posts, "entry_shares", lambda: np.full((21, 5), 1 / 105))
    assert any(found != wanted for found in searched_shares().values()), "a seeded bug"


def test_all_entries_are_shared_out_and_the_quietest_post_has_a_few_minutes() -> None:
    assert entry_shares().sum() == pytest.approx(1.0)
    assert min(min(one.values()) for one in staff_by_traffic(10.0)) == FEWEST_MINUTES


def test_the_network_file_states_the_minutes() -> None:
    known = read_network(Path("network.toml"), text=network_toml(entries=ENTRIES))
    for post, staffed in zip(POSTS, staff_by_traffic(ENTRIES), strict=True):
        roster = known.post(post.code).roster
        assert roster["physical"] == staffed["physical"]
        assert roster["documents"] + roster.get("xray", 0.0) == staffed["documents"]
