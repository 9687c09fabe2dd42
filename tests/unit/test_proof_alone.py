"""What only the proof runs is shown by a smaller test too, and each name stands for a test."""

import pytest

from tests.proof_alone import PROOF_ALONE, STORIES, is_named, list_mistakes, list_shown_by

REPLAY = "store/features/online/test_parity_replay.py"


def test_what_the_proof_alone_runs_is_shown_by_a_test_that_always_runs() -> None:
    assert not PROOF_ALONE.keys() & STORIES.keys()
    assert list(list_mistakes(list_shown_by())) == []


@pytest.mark.parametrize(
    ("name", "shown_by", "mistake"),
    [
        (f"{REPLAY}::test_that_is_gone", REPLAY, "no such test"),
        (f"{REPLAY}[postgresql]", "store/test_gone.py", "no such test"),
        (f"{REPLAY}[postgresql]", next(iter(PROOF_ALONE)), "shown by the proof alone"),
    ],
)
def test_a_name_without_its_test_is_found(name: str, shown_by: str, mistake: str) -> None:
    """Negative control."""
    found = list(list_mistakes({**list_shown_by(), name: (shown_by,)}))
    assert len(found) == 1 and found[0].startswith(mistake)


def test_a_case_is_a_parameter_or_the_whole_identifier() -> None:
    node = f"tests/{REPLAY}::test_replay[postgresql-LateCut]"
    for name in (REPLAY, f"{REPLAY}[postgresql]", f"{REPLAY}::test_replay[postgresql-LateCut]"):
        assert is_named(node, name)
    for name in (f"{REPLAY}[sqlite]", f"{REPLAY}::test_rep", "store/test_other.py"):
        assert not is_named(node, name)
