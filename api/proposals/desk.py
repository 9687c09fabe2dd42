"""Steps of one caller about proposals: propose, approve, let leave. Each is recorded once.

A person is whom the caller's session or password names, or who owns the key. A key without an
owner takes no step, and nobody completes what such a key, or a person since removed, began.
:mod:`engine.criteria.dual_control` says which steps count.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from api.auth.callers import OTHER_AGENCY, Caller
from api.http.access import check_post
from api.http.answers import AcknowledgedStep, Answer
from api.proposals.matters import (
    Approval,
    Content,
    ProposalMatter,
    Step,
    list_matters,
    name_content,
)
from api.service.runtime import Runtime
from engine.criteria.dual_control import (
    ApprovalState,
    draft_approval,
    draft_proposal,
    draft_retirement,
)
from engine.domain.records import Record, StatedReason
from engine.domain.rights import Right
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.areas import kinds_of, list_steps
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim, claim

EVERY_POST = "a person of every post does this"
BY_COMMAND = "a person takes this step on the machine of the home: darvoza propose, darvoza approve"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with its matter."""

    matter: ProposalMatter[Any]
    state: ApprovalState
    waits: bool
    """Whether a second person can approve it, or its retirement."""

    @property
    def name(self) -> str | None:
        """What people call it; None if its subject is all there is."""
        return name_content(self.state.content)

    @property
    def begun_by(self) -> str:
        """Who began what waits."""
        leaving = self.state.leaving
        return self.state.author if leaving is None else leaving.by


@dataclass(frozen=True, slots=True)
class ProposalDesk:
    """Takes the steps of one caller; each is answered with its receipt."""

    service: Runtime
    caller: Caller
    key: str | None = None
    """The sender's idempotency key."""
    is_command: bool = False
    """Whether the caller gave a password on the machine of the home."""
    report: Callable[[str], None] = lambda _: None
    """Told what goes on in a step that takes long."""

    def propose(self, matter: ProposalMatter[Content], content: Content) -> AcknowledgedStep:
        """Propose something, which counts for nothing until another person approves it.

        Raises ``NotAllowedError``, ``ConflictError``, and what the matter says of the content.
        """
        return matter.answer(self.service, self.record(matter, content))

    def record(self, matter: ProposalMatter[Content], content: Content) -> StoredRecord:
        """Record a proposal; raises what :meth:`propose` raises."""
        caller = self.enter(matter, Right.ACT)
        post = matter.post(caller, content)
        self.check_reach(matter, caller, post)
        with self.service.store.read() as connection:
            subject = matter.subject(self._step(caller, connection), content)
        asked = claim(
            f"{matter.name}_{'noticed' if matter.is_notice else 'proposed'}",
            content,
            post=post or "",
            name=f"{matter.name}:{subject}",
            key=caller.own(self.key),
        )

        def draft(connection: Connection) -> Draft:
            prepared = matter.prepare(self._step(caller, connection), content)
            return draft_proposal(
                matter.name,
                subject,
                by=caller.person,
                content=prepared,
                post=post or "",
                is_notice=matter.is_notice,
            )

        return self._once(asked, draft)

    def approve(
        self,
        matter: ProposalMatter[Any],
        subject: str,
        approval: Approval,
        *,
        number: int | None = None,
    ) -> Answer:
        """Agree to what waits about a subject: that it comes into force, or that it leaves.

        ``number`` is the record that must be what waits. Raises ``NotFoundError``,
        ``NotAllowedError``, ``SecondPersonError``, ``LapsedProposalError`` for what a person began
        who has left, and ``ConflictError`` where nothing waits.
        """
        caller = self.enter(matter, Right.APPROVE)

        def find(connection: Connection) -> tuple[Step, ApprovalState]:
            step = self._step(caller, connection)
            now = self._find(step, matter, subject)
            if number not in (None, now.pending):
                raise ConflictError(matter.name, subject, "no change is awaiting approval")
            if why := self._find_end(step, matter, now):
                raise ConflictError(matter.name, subject, why)
            return step, now

        def draft(connection: Connection) -> Draft:
            step, now = find(connection)
            made = draft_approval(matter.name, now, by=caller.person, shadow=approval.shadow)
            self._must_second(matter, caller, now)
            if now.leaving is None:
                matter.check(step, now)
                made = matter.complete(now, made)
            return replace(made, body={**made.body, "note": approval.note})

        if matter.carry_out is None:
            asked = self._claim(matter, subject, "approval", approval)
            return matter.answer(self.service, self._once(asked, draft))
        with self.service.store.read() as connection:
            step, now = find(connection)
        if matter.checks_people:
            self._must_second(matter, caller, now)
        return matter.carry_out(step, now, approval)

    def approve_number(self, number: int, approval: Approval) -> Answer:
        """Agree to what waits with a record of this number; raises what :meth:`approve` raises."""
        for one in self.list():
            if one.state.pending == number:
                return self.approve(one.matter, one.state.subject, approval, number=number)
        raise NotFoundError("proposal", str(number))

    def propose_or_approve(
        self, matter: ProposalMatter[Content], content: Content, same: Mapping[str, Any]
    ) -> Answer:
        """Approve a waiting proposal whose content holds ``same``, or propose it if none waits.

        What a person proposed who has left waits no longer.
        """
        is_active = self.service.accounts.is_active
        for one in self.list():
            is_same = one.matter is matter and same.items() <= one.state.content.items()
            if is_same and one.waits and is_active(one.begun_by):
                return self.approve(matter, one.state.subject, Approval())
        return self.propose(matter, content)

    def retire(
        self, matter: ProposalMatter[Any], subject: str, wanted: StatedReason
    ) -> AcknowledgedStep:
        """Propose that something leaves; it stays until another person approves that."""
        caller = self.enter(matter, Right.ACT)

        def draft(connection: Connection) -> Draft:
            if "leaving" not in {list_steps()[kind][1] for kind in kinds_of(matter.name)}:
                raise ConflictError(matter.name, subject, "nothing of this kind leaves")
            now = self._find(self._step(caller, connection), matter, subject)
            is_active = self.service.accounts.is_active
            is_lapsed = now.leaving is not None and not is_active(now.leaving.by)
            by, why = caller.person, wanted.reason
            return draft_retirement(matter.name, now, by=by, why=why, is_lapsed=is_lapsed)

        asked = self._claim(matter, subject, "retirement", wanted)
        return matter.answer(self.service, self._once(asked, draft))

    def list(self) -> list[Proposal]:
        """Return the proposals that the caller may see, by matter, the oldest first."""
        with self.service.store.read() as connection:
            return [*self.list_in(connection)]

    def list_in(self, connection: Connection) -> Iterator[Proposal]:
        """Yield what :meth:`list` returns, as a snapshot holds it."""
        step = self._step(self.caller, connection)
        for matter in list_matters().values():
            if not self.is_command and not self.caller.may(*matter.shown):
                continue
            for state in matter.read_states(connection).values():
                if self._sees(matter, self.caller, state):
                    waits = state.pending is not None and not self._find_end(step, matter, state)
                    yield Proposal(matter, state, waits)

    def _claim(
        self, matter: ProposalMatter[Any], subject: str, what: str, record: Record
    ) -> IdempotencyClaim:
        with self.service.store.read() as connection:
            found = matter.read_states(connection).get(subject)
        about = f"{matter.name}:{subject}"
        name = f"{about}:{what}:{found and found.pending}:{self.caller.person}"
        key = self.caller.own(self.key)
        kind = f"{matter.name}_{what}"
        return claim(kind, record, post="", name=name, key=key, about=about)

    def _step(self, caller: Caller, connection: Connection) -> Step:
        return Step(self.service, caller, connection, self.report)

    @staticmethod
    def _find_end(step: Step, matter: ProposalMatter[Any], now: ApprovalState) -> str:
        """Return why nobody can approve a proposal any more, empty where somebody can."""
        if now.leaving is not None:
            return ""
        if matter.open_time is not None and now.since + matter.open_time <= step.now:
            return "it lapsed: propose it again"
        return matter.find_end(step, now)

    def enter(self, matter: ProposalMatter[Any], right: Right) -> Caller:
        """Return the caller with a right of a matter; raises ``NotAllowedError``."""
        if matter.is_by_command and not self.is_command:
            raise NotAllowedError(BY_COMMAND)
        caller = self.caller.admit(matter.rule(right), is_step=True)
        if matter.is_governing and caller.post is not None:
            raise NotAllowedError(EVERY_POST)
        return caller

    def check_reach(self, matter: ProposalMatter[Any], caller: Caller, post: str | None) -> None:
        """Refuse a post that the caller does not reach.

        If the matter is about posts, a caller who is bound to one post has to name a post.
        """
        if post is not None:
            check_post(self.service.network, caller, post)
        elif caller.post is not None and matter.is_of_post:
            raise NotAllowedError("this key is for one post: name it")

    def _sees(self, matter: ProposalMatter[Any], caller: Caller, state: ApprovalState) -> bool:
        """Tell whether a caller sees a proposal, by its agency and by its post."""
        content, about = state.content, (matter.about, Right.SEE)
        post = content.get("post")
        is_near = caller.post in (None, post) or matter.is_by_command or not matter.is_governing
        is_open = post not in caller.duties.hidden_posts(*about)
        sees = matter.is_shown(content) and caller.sees(matter.about, content.get("agency"))
        return sees and is_near and is_open

    def _find(self, step: Step, matter: ProposalMatter[Any], subject: str) -> ApprovalState:
        """Return a proposal that the step may be about.

        Raises ``NotFoundError`` for a hidden one, ``NotAllowedError`` for one of another agency.
        """
        found = matter.read_states(step.connection).get(subject)
        if found is None or not self._sees(matter, step.caller, found):
            raise NotFoundError(matter.name, subject)
        if matter.is_of_post:
            self.check_reach(matter, step.caller, found.content.get("post"))
        if not step.caller.covers(found.content.get("agency")):
            raise NotAllowedError(OTHER_AGENCY, "agency")
        return found

    def _must_second(self, matter: ProposalMatter[Any], caller: Caller, now: ApprovalState) -> None:
        """Refuse to complete what was begun by a removed person, or by a key without an owner."""
        accounts, second = self.service.accounts, caller.person
        is_notice = now.leaving is None and now.is_notice  # a counterpart's own key
        first = now.author if now.leaving is None else now.leaving.by
        accounts.must_second(matter.about, first=first, second=second, by_anyone=is_notice)
        accounts.must_be_two(matter.about, first=now.author, second=second)

    def _once(self, asked: IdempotencyClaim, draft: Callable[[Connection], Draft]) -> StoredRecord:
        def draft_with_claim(connection: Connection) -> Draft:
            made = draft(connection)
            return replace(made, post=asked.post, body={"claim": asked.as_dict(), **made.body})

        return self.service.recording.once(asked, draft_with_claim)
