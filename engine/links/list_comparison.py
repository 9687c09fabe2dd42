"""Comparison of watch lists over a link: requests, answers, hits and their details.

Only identifiers of entries that two people marked as shareable with partners are compared: folded,
or one that only one administration understands within the domain that the agreement names. Each
message of the other side is followed up in one transaction of its own, after it was taken: a
message that was received and not yet followed up is found again after a crash. Group arithmetic is
done before the writer's lock, on the state as it was read; if that changed meanwhile, nothing is
recorded and the next turn does it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from engine.criteria.dual_control import ApprovalState
from engine.criteria.watchlist import list_identifiers, list_rows, read_entries, read_expiry
from engine.domain.identifiers import fold
from engine.domain.time_units import DAY, HOUR, micros, moment
from engine.errors import ConflictError, RecordError
from engine.journal.entries import Draft
from engine.journal.power_records import read_record
from engine.links.agreement import NATIONAL_FIELDS, Agreement, MatchLimits
from engine.links.area import (
    MATCH_ANSWERED,
    MATCH_ASKED,
    MATCH_ENQUIRED,
    MATCH_FOUND,
    MATCH_STEP,
    MatchAnsweredBody,
    MatchEnquiredBody,
    MatchFoundBody,
    MatchStepBody,
)
from engine.links.exchange import LinkExchange
from engine.links.ledger import find_received
from engine.links.match_state import (
    OWNERS,
    UNREADABLE,
    AskedRequest,
    CommonEntry,
    MatchState,
    ReleaseSide,
    ReleaseState,
    ReleaseStep,
    advance_release,
    judge_request,
    read_match_state,
    take_their_step,
)
from engine.links.messages import AttentionIdentifier, Match, MatchStep
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.requests import ENTRY_KINDS
from engine.links.set_intersection import (
    RECORD,
    PrfKey,
    answer_request,
    blind_values,
    derive_link_key,
    map_tokens,
    read_answer,
)
from engine.links.state import Link, find_link

SHARED_AS: Mapping[str, AttentionIdentifier] = {
    entry: name for name, entry in ENTRY_KINDS.items() if entry not in ("seal", "tir_carnet")
}
"""Identifiers of an entry as messages name them; a party in any role is none of these."""


@dataclass(frozen=True, slots=True)
class SharedIdentifier:
    """One identifier of a watch-list entry that is marked shareable."""

    identifier: AttentionIdentifier
    value: str
    entry: str = ""
    """The entry's name in this installation."""

    def content(self, domains: Mapping[str, str]) -> bytes:
        """Return the bytes that are compared; raises ``RecordError`` where they cannot be.

        ``domains`` are those within which national identifiers are compared.
        """
        domain = domains.get(self.identifier, "")
        if self.identifier in NATIONAL_FIELDS and not domain:
            why = "the agreement names no common domain of this identifier"
            raise RecordError(RECORD, "identifier", "not_comparable", why)
        value = self.value if domain else fold(self.value)
        return "\x1f".join((self.identifier, domain, value)).encode()


@dataclass(frozen=True, slots=True)
class SharedList:
    """What of this watch list can be compared on a link."""

    identifiers: Mapping[bytes, SharedIdentifier]
    """By the bytes that are compared, oldest entry first."""
    left_out: int
    """Identifiers of marked entries that only this administration understands."""


def read_domains(agreement: Agreement) -> dict[str, str]:
    """Return the domain within which each national identifier is compared."""
    return {str(kind): domain for kind, domain in agreement.identifiers.items()}


def list_shared(connection: Connection, agreement: Agreement, *, now: int) -> SharedList:
    """Return the identifiers of marked entries that are in force at UTC microseconds."""
    found: dict[bytes, SharedIdentifier] = {}
    left_out, domains = 0, read_domains(agreement)
    marked = [one for one in read_entries(connection).values() if _is_shared(one, now)]
    for name, row in (each for one in marked for each in list_rows(one.subject, one.content)):
        for kind, value in list_identifiers(row).items():
            try:
                shared = SharedIdentifier(SHARED_AS[kind], value, name)
                found.setdefault(shared.content(domains), shared)
            except (KeyError, RecordError):
                left_out += 1
    return SharedList(found, left_out)


def _is_shared(entry: ApprovalState, now: int) -> bool:
    is_marked = bool(entry.content.get("is_shareable")) and not entry.is_of_counterpart
    return is_marked and entry.state == "in_force" and read_expiry(entry) > now


def find_identifier(
    entries: Mapping[str, ApprovalState], entry: str, identifier: str
) -> SharedIdentifier:
    """Return an identifier of an entry, whatever became of the entry since.

    Raises ``RecordError`` where the journal no longer says what it was.
    """
    for kind, value in list_identifiers(_find_row(entries, entry)).items():
        name = SHARED_AS.get(kind)
        if name is not None and name == identifier:
            return SharedIdentifier(name, value, entry)
    raise RecordError(RECORD, "elements", "unknown_entry", "an entry of the request is gone")


def _find_row(entries: Mapping[str, ApprovalState], name: str) -> Mapping[str, Any]:
    """Return the content of an entry or of a row of one, empty where none has this name."""
    known = entries.get(name) or entries.get(name.rpartition(".")[0])
    rows = dict(list_rows(known.subject, known.content)) if known is not None else {}
    return rows.get(name, {})


MESSAGE = "match"
RELEASE_DAYS = 30
"""How long details of a hit can be asked for and released."""
MOST_FOLLOWED = 1_000
"""Messages that are followed up in one call."""
_SENT_AT: Mapping[ReleaseState, MatchStep] = {
    "asked": "ask",
    "released": "release",
    "declined": "decline",
    "withdrawn": "withdraw",
}
"""The message that tells the other side of a state."""


@dataclass(frozen=True, slots=True)
class MatchContext:
    """What one step is worked out from."""

    connection: Connection
    now: int
    """UTC microseconds."""
    link: Link
    state: MatchState

    @property
    def limits(self) -> MatchLimits:
        """The limits that both sides signed; raises ``ConflictError`` where they signed none."""
        agreement = self.link.agreement
        if agreement.matching is None:
            raise ConflictError("link", agreement.name, "the agreement states no limits")
        return agreement.matching

    @property
    def shared(self) -> Mapping[bytes, SharedIdentifier]:
        """What of this watch list can be compared."""
        return list_shared(self.connection, self.link.agreement, now=self.now).identifiers


@dataclass(slots=True)
class MatchWork:
    """Records and messages that follow together."""

    records: list[Draft] = field(default_factory=list)
    messages: list[Match] = field(default_factory=list)


Prepare = Callable[[MatchContext], MatchWork | None]


@dataclass(frozen=True, slots=True)
class ListComparison:
    """The comparing of watch lists on the links of one installation."""

    exchange: LinkExchange

    def begin(self, name: str, *, by: str = "") -> int:
        """Ask about own marked identifiers that were not asked about; return how many.

        Raises ``ConflictError`` where the agreement has no such messages in both directions, the
        link is not in force, an answer is awaited, or the limits permit none now.
        """
        asked = 0

        def prepare(context: MatchContext) -> MatchWork | None:
            nonlocal asked
            self._must_be_free(context)
            entries = self._select_unasked(context)
            asked = len(entries)
            return self._ask(context, entries, by=by) if entries else None

        return asked if self._record(name, prepare) else 0

    def follow_up(self, name: str) -> int:
        """Follow up what the other side sent; return how many messages were followed up."""
        for followed in range(MOST_FOLLOWED):
            if not self._record(name, self._prepare_next):
                return followed
        return MOST_FOLLOWED

    def take_step(self, name: str, token: str, step: ReleaseStep, *, by: str, why: str) -> None:
        """Record a person's step about the details of a hit, and send what follows from it.

        Raises ``NotFoundError``, ``ConflictError``, and ``SecondPersonError`` for the person who
        took the step before.
        """

        def prepare(context: MatchContext) -> MatchWork | None:
            hit = context.state.find_hit(token, at=context.now)
            release = advance_release(hit.release, step, side=hit.side, by=by, at=context.now)
            body: MatchStepBody = {"token": release.token, "step": step, "by": by}
            body |= {"why": why} if why else {}
            work = MatchWork([MATCH_STEP.draft(context.link.name, body)])
            if message := _SENT_AT.get(release.state):
                work.messages.append(_build_step(context, hit, message, why=why))
            return work

        if not self._record(name, prepare):
            raise ConflictError("link", name, "another step came first: try again")

    def read_hit(self, name: str, token: str) -> CommonEntry:
        """Return a common entry by its token; raises ``NotFoundError``."""
        with self.exchange.store.read() as connection:
            state = read_match_state(connection, self._find_link(connection, name).name)
            return state.find_hit(token, at=self.exchange.journal.now(connection))

    def _find_link(self, connection: Connection, name: str) -> Link:
        return find_link(self.exchange.read_links(connection), name)

    def _record(self, name: str, prepare: Prepare) -> bool:
        """Record what ``prepare`` returns, unless the state changed; tell whether it was."""
        exchange = self.exchange
        with exchange.store.read() as connection:
            before = self._read_context(connection, exchange.journal.now(connection), name)
            work = prepare(before)
        if work is None:
            return False

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            context = self._read_context(connection, now, name)
            if context.state != before.state:
                return []
            messages = [OutgoingMessage(one) for one in work.messages]
            sent = draft_messages(
                connection, now, context.link, keys=exchange.keys, messages=messages
            )
            return [*work.records, *sent]

        return bool(exchange.journal.append_found(find))

    def _read_context(self, connection: Connection, now: int, name: str) -> MatchContext:
        link = self._find_link(connection, name)
        return MatchContext(connection, now, link, read_match_state(connection, link.name))

    # Asking.

    def _must_be_free(self, context: MatchContext) -> None:
        link, asked = context.link, context.state.asked
        why = ""
        if not is_agreed(link):
            why = "the agreement does not let both sides send messages of kind match"
        elif link.phase(context.now) != "in_force":
            why = f"it is {link.phase(context.now).replace('_', ' ')}"
        elif asked and _is_awaited(link, asked[-1], now=context.now):
            why = "the other side has not answered the last request yet"
        elif self._count_today(context) >= (most := context.limits.requests_per_day):
            why = f"the limit is {most} {'request' if most == 1 else 'requests'} in 24 hours"
        if why:
            raise ConflictError("link", link.agreement.name, why)

    def _count_today(self, context: MatchContext) -> int:
        since = context.now - DAY - HOUR  # an hour to spare: the other side counts by its own clock
        return sum(max(one.asked_at, one.answered_at) > since for one in context.state.asked)

    def _select_unasked(self, context: MatchContext) -> list[SharedIdentifier]:
        state, limits = context.state, context.limits
        shared = context.shared
        known = set(state.tokens.values())
        unasked = [one for one in shared.values() if (one.entry, one.identifier) not in known]
        left = limits.elements_per_period - state.count_asked(limits, at=context.now)
        if unasked and left < 1:
            why = f"the limit is {limits.elements_per_period} elements in {limits.period_days} days"
            raise ConflictError("link", context.link.agreement.name, why)
        return unasked[: max(0, min(left, limits.elements_per_request))]

    def _ask(
        self, context: MatchContext, entries: Sequence[SharedIdentifier], *, by: str
    ) -> MatchWork:
        link = context.link
        exchange = f"{link.us.name}-{secrets.token_hex(8)}"
        domains = read_domains(link.agreement)
        contents = {one.content(domains): one for one in entries}
        inputs = blind_values(exchange, contents, self.exchange.keys)
        asked = [[one.entry, one.identifier] for one in contents.values()]
        record = MATCH_ASKED.draft(link.name, {"exchange": exchange, "by": by, "asked": asked})
        elements = tuple(one.element.hex() for one in inputs)
        return MatchWork([record], [Match(exchange=exchange, step="blinded", elements=elements)])

    # Following up what arrived.

    def _prepare_next(self, context: MatchContext) -> MatchWork | None:
        link = context.link
        if not is_agreed(link) or link.phase(context.now) != "in_force":
            return None
        found = _read_received(context, after=context.state.processed)
        if found is None:
            return None
        of, message = found
        if message is None:
            body: MatchStepBody = {"token": "", "step": "", "by": "", "of": of, "rule": UNREADABLE}
            return MatchWork([MATCH_STEP.draft(link.name, body)])
        if message.step == "blinded" and context.state.alarm is not None:
            return _refuse_all(context)
        return self._follow(context, message, of)

    def _follow(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        match message.step:
            case "blinded":
                return self._answer(context, message, of)
            case "evaluated" | "refused":
                return self._read_answer(context, message, of)
            case "tokens":
                return self._find(context, message, of)
            case "hits":
                return self._note_hits(context, message, of)
            case _:
                return self._note_step(context, message, of)

    def _answer(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        elements = len(message.elements)
        rule, is_alarm = judge_request(
            context.state, context.limits, elements=elements, at=context.now
        )
        reason: str = rule or ""
        messages: list[Match] = []
        if rule is None:
            try:
                messages = self._evaluate(context, message)
            except RecordError as error:
                reason = error.rule
        if reason:
            messages = [Match(exchange=message.exchange, step="refused", elements=(), why=reason)]
        record = _draft_enquiry(context.link, message, of, reason, is_alarm=is_alarm)
        return MatchWork([record], messages)

    def _link_key(self, context: MatchContext) -> PrfKey:
        return derive_link_key(self.exchange.keys, link=context.link.name)

    def _evaluate(self, context: MatchContext, message: Match) -> list[Match]:
        """Return the answer, and the tokens of this side's own list in their own order."""
        key = self._link_key(context)
        answer = answer_request(message, key)
        tokens = tuple(map_tokens(islice(context.shared, context.limits.entries), key))
        return [answer, Match(exchange=message.exchange, step="tokens", elements=tokens)]

    def _read_answer(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        public, tokens, rule = "", {}, message.why or "refused"
        if message.step == "evaluated":
            try:
                tokens = self._open_answer(context, message)
                public, rule = message.elements[0], ""
            except RecordError as error:
                rule = error.rule
        body: MatchAnsweredBody = {
            "exchange": message.exchange,
            "of": of,
            "rule": rule,
            "public": public,
            "tokens": {token: [one.entry, one.identifier] for token, one in tokens.items()},
        }
        return MatchWork([MATCH_ANSWERED.draft(context.link.name, body)])

    def _open_answer(self, context: MatchContext, message: Match) -> dict[str, SharedIdentifier]:
        """Return own identifiers by token; raises ``RecordError`` for what is no answer."""
        asked = [one for one in context.state.asked if one.exchange == message.exchange]
        if not asked or asked[0].answered_at:
            why = "answers no request of this side"
            raise RecordError(RECORD, "exchange", "unknown_exchange", why)
        entries, domains = read_entries(context.connection), read_domains(context.link.agreement)
        named = [find_identifier(entries, entry, kind) for entry, kind in asked[0].asked]
        contents = {one.content(domains): one for one in named}
        inputs = blind_values(message.exchange, contents, self.exchange.keys)
        public = bytes.fromhex(context.state.public) if context.state.public else None
        found = read_answer(inputs, message, public=public)
        return {token: contents[content] for token, content in found.items()}

    def _find(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        """Return the common entries, new ones alone, and what tells the other side of them."""
        shared = context.shared.values()
        live: dict[tuple[str, str], SharedIdentifier]
        live = {(one.entry, one.identifier): one for one in shared}
        asked = context.state.tokens
        fresh = {
            token: live[asked[token]]
            for token in message.elements
            if token in asked and asked[token] in live and _is_new(context, "asker", token)
        }
        deadline = context.now + RELEASE_DAYS * DAY
        record = _draft_found(context.link, message.exchange, of, "asker", deadline, fresh)
        if not fresh:
            return MatchWork([record])
        hits = Match(
            exchange=message.exchange,
            step="hits",
            elements=tuple(sorted(fresh)),
            answer_by=moment(deadline),
        )
        return MatchWork([record], [hits])

    def _note_hits(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        """Keep what the other side found: tokens that this side made of entries it still shares."""
        shared = context.shared
        own = map_tokens(shared, self._link_key(context))
        fresh = {
            token: shared[own[token]]
            for token in message.elements
            if token in own and _is_new(context, "owner", token)
        }
        most = context.now + RELEASE_DAYS * DAY
        deadline = most if message.answer_by is None else min(most, micros(message.answer_by))
        return MatchWork(
            [_draft_found(context.link, message.exchange, of, "owner", deadline, fresh)]
        )

    def _note_step(self, context: MatchContext, message: Match, of: int) -> MatchWork:
        token = message.elements[0] if message.elements else ""
        step: Any = message.step
        hit = context.state.hits.get(("owner" if step in ("ask", "withdraw") else "asker", token))
        rule = "" if hit is not None else "unknown_token"
        if hit is not None:
            try:
                take_their_step(hit.release, step, at=context.now)
            except ConflictError:
                rule = "not_counted"
        body: MatchStepBody = {"token": token, "step": step, "by": "", "of": of}
        body |= {"why": message.why} if message.why else {}
        body |= {"rule": rule} if rule else {}
        return MatchWork([MATCH_STEP.draft(context.link.name, body)])


def follow_matches(exchange: LinkExchange, name: str) -> int:
    """Follow up messages about common entries that a parcel brought; return how many."""
    return ListComparison(exchange).follow_up(name)


def is_agreed(link: Link) -> bool:
    """Tell whether the agreement lets both sides send the messages that comparing needs."""
    return all(link.agreement.rule(MESSAGE, party) is not None for party in (link.us, link.them))


def _is_awaited(link: Link, request: AskedRequest, *, now: int) -> bool:
    """Tell whether an answer can still come: neither message is kept longer than agreed."""
    rules = [link.agreement.rule(MESSAGE, party) for party in (link.us, link.them)]
    hours = sum(0 if rule is None else rule.expires_hours for rule in rules)
    return not request.answered_at and now < request.asked_at + hours * HOUR


def _is_new(context: MatchContext, side: ReleaseSide, token: str) -> bool:
    """Tell whether a hit is not known yet, or its release ended without details."""
    hit = context.state.hits.get((side, token))
    if hit is None:
        return True
    is_over = hit.release.state in ("expired", "withdrawn")
    return is_over or (hit.release.state in OWNERS and hit.release.deadline <= context.now)


def _draft_found(
    link: Link,
    exchange: str,
    of: int,
    side: ReleaseSide,
    deadline: int,
    found: Mapping[str, SharedIdentifier],
) -> Draft:
    hits = [
        {"token": token, "entry": one.entry, "identifier": one.identifier}
        for token, one in sorted(found.items())
    ]
    body: MatchFoundBody = {
        "exchange": exchange,
        "of": of,
        "side": side,
        "deadline": deadline,
        "hits": hits,
    }
    return MATCH_FOUND.draft(link.name, body)


def _read_received(context: MatchContext, *, after: int) -> tuple[int, Match | None] | None:
    """Return the next message about common entries, None in its place where it cannot be read."""
    of = find_received(context.connection, context.link.name, MESSAGE, after=after)
    if of is None:
        return None
    record = read_record(context.connection, of)
    if record is None or record.body is None:  # gone, erased, or edited in the store
        return of, None
    return of, Match.model_validate(record.body["body"], strict=False)


def _refuse_all(context: MatchContext) -> MatchWork:
    """Return the records of the enquiries that wait while an alarm stands; none is answered."""
    work, after = MatchWork(), context.state.processed
    while len(work.records) < MOST_FOLLOWED:
        found = _read_received(context, after=after)
        if found is None or found[1] is None or found[1].step != "blinded":
            break
        after, message = found[0], found[1]
        work.records.append(_draft_enquiry(context.link, message, after, "stopped"))
    return work


def _draft_enquiry(
    link: Link, message: Match, of: int, rule: str, *, is_alarm: bool = False
) -> Draft:
    body: MatchEnquiredBody = {
        "exchange": message.exchange,
        "of": of,
        "elements": len(message.elements),
        "rule": rule,
        "is_alarm": is_alarm,
    }
    return MATCH_ENQUIRED.draft(link.name, body)


def _build_step(context: MatchContext, hit: CommonEntry, step: MatchStep, *, why: str) -> Match:
    """Return the message of a step; a release holds what the entry says, as far as agreed."""
    about: dict[str, Any] = {"why": why or None}
    if step == "release":
        entries = read_entries(context.connection)
        entry = entries.get(hit.entry) or entries.get(hit.entry.rpartition(".")[0])
        if entry is None or entry.state != "in_force":
            why_not = "its entry is no longer in force"
            raise ConflictError("common entry", hit.release.token, why_not)
        row = _find_row(entries, hit.entry)
        about = {
            "reason": row.get("reason") or entry.content["reason"],
            "note": row.get("note"),
            "until": moment(read_expiry(entry)),
        }
    return Match(exchange=hit.exchange, step=step, elements=(hit.release.token,), **about)
