"""Errors: a sentence from their facts, and the same error on the other side of a pipe."""

import pickle

import pytest

from engine.errors import BusyError, NotAllowedError, ProfileRefusedError, RecordError, RiskError

ERRORS = (
    RecordError("seizure", "place", "unknown", message="not on the list"),
    NotAllowedError(why="no {braces} are read", cause="post"),
    ProfileRefusedError("no such field", at=3, message="unknown", parameters={"field": "x"}),
    BusyError("another backtest is under way"),
)


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_survives_a_pipe(error: RiskError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))
    assert str(error)
