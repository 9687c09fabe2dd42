"""Training without a report, for what a bundle holds of the data: reports take most of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from engine.errors import NotEnoughDataError
from models.training import trainer


@contextmanager
def train_unjudged() -> Iterator[None]:
    """Let training take its configuration as it is, and judge neither model nor labels."""

    def decline(*_: Any, **__: Any) -> Any:
        raise NotEnoughDataError("the report", "this test asks for none")

    none: dict[str, Any] = {"labels": [], "doubts": []}
    with (
        patch.object(trainer, "select_weighting", decline),
        patch.object(trainer, "_labels", lambda *_, **__: none),
    ):
        yield
