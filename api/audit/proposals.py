"""What two people decide about recorded data: erasures, and withdrawals of a load.

The steps themselves are loaded when they are taken, because a service lacks the libraries with
which they read files of the loaded history.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.proposals.matters import BY_GOVERNORS, ProposalMatter, load_late, name_at_random
from engine.audit.erasures import ERASABLE, RecordGroup
from engine.domain.records import Record
from engine.domain.time_units import DAY

OPEN_TIME = 30 * DAY
"""After this a proposal can no longer be approved: whoever proposed it may see things otherwise."""


class Criteria(Record):
    """What is to be erased: by exactly one of these."""

    before: int | None = None
    """All that became known before, UTC microseconds."""
    subject: Annotated[str, Field(min_length=1)] | None = None
    schedule: Mapping[str, int] | None = None
    """Days by kind of record, counted back from the proposal."""

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if sum(one is not None for one in (self.before, self.subject, self.schedule)) != 1:
            why = "name one of before, subject and schedule"
            raise PydanticCustomError("missing_key", why, {"field": "subject"})
        return self

    def cuts(self, proposed_at: int) -> dict[str, int]:
        """Return by kind the time before which a record is due."""
        if self.schedule is not None:
            return {kind: proposed_at - days * DAY for kind, days in self.schedule.items()}
        return {} if self.before is None else dict.fromkeys(ERASABLE, self.before)

    def takes(self, group: RecordGroup, proposed_at: int) -> bool:
        """Tell whether a group is to be erased."""
        return group.names_subject if self.subject else group.is_due(self.cuts(proposed_at))


class ErasureProposal(Record):
    """A proposed erasure."""

    criteria: Criteria
    why: str = ""


class WithdrawalProposal(Record):
    """A proposal that a load leaves the history; ``load`` is its digest, or how that begins."""

    load: str
    why: str = ""


ERASURE = ProposalMatter(
    name="erasure",
    content=ErasureProposal,
    **BY_GOVERNORS,
    open_time=OPEN_TIME,
    subject=name_at_random("erasure"),
    prepare=load_late("api.audit.erasure:prepare_erasure"),
    carry_out=load_late("api.audit.erasure:erase"),
    answer=load_late("api.audit.erasure:describe_proposal"),
)
LOAD_WITHDRAWAL = ProposalMatter(
    name="load_withdrawal",
    content=WithdrawalProposal,
    **BY_GOVERNORS,
    open_time=OPEN_TIME,
    subject=name_at_random("withdrawal"),
    prepare=load_late("api.audit.load_withdrawal:prepare_withdrawal"),
    carry_out=load_late("api.audit.load_withdrawal:withdraw_load"),
    answer=load_late("api.audit.load_withdrawal:describe_proposal"),
)
