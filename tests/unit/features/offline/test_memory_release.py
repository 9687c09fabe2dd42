"""A load runs without garbage collection, and uses freed memory again."""

import gc

import pytest

from features.offline.memory_release import pause_collection


@pytest.mark.parametrize("enabled", [True, False])
def test_a_pause_leaves_collection_as_it_was(
    monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    state = [enabled]
    monkeypatch.setattr(gc, "isenabled", lambda: state[-1])
    monkeypatch.setattr(gc, "enable", lambda: state.append(True))
    monkeypatch.setattr(gc, "disable", lambda: state.append(False))
    with pause_collection():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
