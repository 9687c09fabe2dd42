"""The network file: which posts face each other, and what of it cannot be trusted."""

from pathlib import Path

import pytest

from engine.domain.network import Network, read_network
from engine.errors import InputError


def _network(folder: Path, **pairs: str) -> Network:
    posts = [
        f'[[posts]]\ncode = "{code}"\nname = "Post {code}"\ncountry = "UZ"\n'
        + (f'pair = "{pair}"\n' if pair else "")
        for code, pair in pairs.items()
    ]
    (folder / "network.toml").write_text("\n".join(posts))
    return read_network(folder / "network.toml")


def test_a_pair_that_reports_nothing_here_is_no_pair_to_wait_for(tmp_path: Path) -> None:
    network = _network(tmp_path, A="B", B="", C="ABROAD")
    assert [network.pair(code) for code in ("A", "B", "C", "NONE")] == ["B", None, None, None]
    assert network.post("C").pair == "ABROAD"


def test_pairs_that_disagree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disagree"):
        _network(tmp_path, A="B", B="C", C="B")
