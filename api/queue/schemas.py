"""The queue of a post as data."""

from datetime import datetime

from api.decisions.schemas import CheckpointView, SupervisorView
from api.http.schema_base import AnswerSchema


class Queue(AnswerSchema):
    """What waits at a post, in the order of the search; each with its rank as of now."""

    tables = ("waiting",)
    post: str
    as_of: datetime
    waiting: list[SupervisorView | CheckpointView]
