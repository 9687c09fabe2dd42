"""The register of rules: who answers for each, what it is there to find, and when it was reviewed.

A rule is a profile (a hard fact is one) in force or in shadow, a named list of the watch list, all
entries without a list together, an entry of known lawful trade, a setting of the policy, the score,
or a family of the features that the score reads. What an author stated is repeated; a review states
owner, threat, reason and the next date again, and the last review holds. A review changes nothing
of what is selected, so one person makes it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field
from sqlalchemy import Connection, select

from engine.criteria.dual_control import ApprovalState, read_approval_states
from engine.criteria.known_lawful import list_names
from engine.criteria.match import KNOWN_LAWFUL
from engine.criteria.policy import SETTINGS, read_policy
from engine.criteria.profiles.profile import Profile, read_profiles
from engine.criteria.watchlist import describe_names, is_selecting, read_entries, read_expiry
from engine.domain.field_types import Agency, Text, Time
from engine.domain.records import Record
from engine.domain.time_units import DAY, micros, rfc3339
from engine.errors import RecordError
from engine.journal.entries import Draft
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.journal import JOURNAL
from engine.journal.kinds import RULE_REVIEWED, RuleReviewedBody
from engine.journal.power_records import read_records

RuleKind = Literal[
    "profile", "fact", "list", "entries", "known_lawful", "policy", "score", "family"
]
LONGEST_REVIEW_DAYS = 366
ENTRIES, SCORE_RULE = "entries", "score"
"""Codes of the rules of which there is one."""


class RuleReview(Record):
    """A person's review of one rule."""

    kind: RuleKind
    code: Annotated[Text, Field(min_length=1, max_length=100)]
    """Of a list and a family its name, of a profile its code, of known lawful trade the entry's id,
    of a setting its name, with ``@`` and the post where it is the value of a post."""
    agency: Agency = None
    """Of a list or an entry the agency whose it is."""
    owner: Annotated[Text, Field(min_length=1, max_length=100)]
    """The office that answers for it."""
    threat: Annotated[Text, Field(min_length=1, max_length=200)]
    """What it is there to find."""
    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Why it stays, or what is to be changed about it."""
    review_by: Time
    """When it is to be reviewed again, at most 366 days ahead."""

    EXAMPLE: ClassVar = {
        "kind": "family",
        "code": "mirror",
        "owner": "Customs analysis office",
        "threat": "Loads that change between the two posts",
        "reason": "Half of last year's finds differed from the opposite record.",
        "review_by": "2026-12-01T00:00:00+05:00",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; who answers for it is None where nobody stated it."""

    kind: RuleKind
    code: str
    members: tuple[str, ...] = ()
    """Codes of the profile, or of the entries, that it stands for."""
    title: str | None = None
    state: Literal["shadow", "in_force"] = "in_force"
    channel: str | None = None
    post: str | None = None
    agency: str | None = None
    owner: str | None = None
    threat: str | None = None
    reason: str | None = None
    review_by: int | None = None
    """UTC microseconds."""
    reviewed_at: int | None = None
    reviewed_by: str | None = None
    sequence: int = 0
    """Record of its last review, 0 without one."""

    def is_overdue(self, as_of: int) -> bool:
        """Tell whether its date of review is past."""
        return self.review_by is not None and self.review_by <= as_of


def draft_rule_review(review: RuleReview, *, by: str, now: int, claim: IdempotencyClaim) -> Draft:
    """Return the record of a review; raises ``RecordError`` for a date that is past or too far."""
    if not now < micros(review.review_by) <= now + LONGEST_REVIEW_DAYS * DAY:
        why = f"must lie ahead, at most {LONGEST_REVIEW_DAYS} days"
        raise RecordError("review", "review_by", "expiry", why)
    body: RuleReviewedBody = {
        "claim": claim.as_dict(),
        "by": by,
        "rule": review.kind,
        "code": review.code,
        "agency": review.agency,
        "owner": review.owner,
        "threat": review.threat,
        "reason": review.reason,
        "review_by": rfc3339(micros(review.review_by)),
    }
    return RULE_REVIEWED.draft(f"{review.kind}:{review.code}", body, post=claim.post)


def read_rules(
    connection: Connection, *, families: Mapping[str, Mapping[str, str]], as_of: int
) -> list[Rule]:
    """Return the rules that hold at ``as_of`` (UTC microseconds), each as it was last reviewed.

    ``families`` are those of the features by name, each with owner, threat and reason.
    """
    reviews = {
        (record.body["rule"], record.body["code"], record.body["agency"]): record
        for record in read_records(connection, [RULE_REVIEWED])
        if record.body is not None
    }
    found: list[Rule] = []
    for rule in (
        *_list_profiles(connection, as_of),
        *_list_lists(connection, as_of),
        *_list_lawful(connection, as_of),
        *_list_settings(connection),
        Rule(kind="score", code=SCORE_RULE),
        *_list_families(connection, families),
    ):
        record = reviews.get((rule.kind, rule.code, rule.agency))
        if record is None or record.body is None:
            found.append(rule)
            continue
        stated: dict[str, Any] = {name: record.body[name] for name in _STATED}
        stated |= {"review_by": _instant(record.body["review_by"])}
        stated |= {"reviewed_at": record.known_at, "reviewed_by": record.body["by"]}
        found.append(replace(rule, **stated, sequence=record.seq))
    return found


_STATED: Final = ("owner", "threat", "reason")


def _instant(text: str | None) -> int | None:
    return None if text is None else micros(datetime.fromisoformat(text))


def _list_profiles(connection: Connection, as_of: int) -> Iterator[Rule]:
    for one in read_profiles(connection).values():
        if one.is_valid(as_of) and one.standing.state in ("shadow", "in_force"):
            yield _of_profile(one)


def _of_profile(profile: Profile) -> Rule:
    proposed = profile.proposed
    return Rule(
        kind="fact" if proposed.fact is not None else "profile",
        code=profile.code,
        members=(profile.code,),
        title=proposed.title,
        state="shadow" if profile.standing.state == "shadow" else "in_force",
        channel=proposed.channel,
        post=proposed.post,
        owner=proposed.owner,
        threat=proposed.title,
        reason=proposed.note,
        review_by=None if proposed.review_by is None else micros(proposed.review_by),
    )


def _list_lists(connection: Connection, as_of: int) -> Iterator[Rule]:
    """Yield the named lists, each with its entries in force, then all other entries together."""
    groups: dict[tuple[str | None, str | None], list[ApprovalState]] = defaultdict(list)
    for one in read_entries(connection).values():
        is_over = one.state != "in_force" or read_expiry(one) <= as_of
        if not is_over and is_selecting(one.content):
            name = one.content.get("list")
            groups[name, None if name is None else one.content.get("agency")].append(one)
    for (name, agency), entries in groups.items():
        members = tuple(one.subject for one in entries)
        if name is None:
            yield Rule(kind="entries", code=ENTRIES, members=members, channel="red")
        else:
            yield _of_list(name, agency, members, entries[-1].content)


def _of_list(
    name: str, agency: str | None, members: tuple[str, ...], last: Mapping[str, Any]
) -> Rule:
    return Rule(
        kind="list",
        code=name,
        members=members,
        channel="red",
        agency=agency,
        owner=last.get("owner"),
        threat=last.get("threat"),
        reason=last["reason"],
        review_by=_instant(last.get("review_by")),
    )


def _list_lawful(connection: Connection, as_of: int) -> Iterator[Rule]:
    """Yield the entries of known lawful trade in force; each ends by its expiry, if not before."""
    for one in read_approval_states(connection, KNOWN_LAWFUL).values():
        expires = read_expiry(one)
        if one.state == "in_force" and as_of < expires:
            yield Rule(
                kind="known_lawful",
                code=one.subject,
                members=(one.subject,),
                title=describe_names(list_names(one.content)),
                post=one.content.get("post"),
                agency=one.content.get("agency"),
                reason=one.content["reason"],
                review_by=expires,
            )


def _list_settings(connection: Connection) -> Iterator[Rule]:
    """Yield the settings of the policy: the value of all posts, and that of a post by itself."""
    history = read_policy(connection)
    for setting in SETTINGS.values():
        for post in (None, *history.list_posts(setting)):
            found = history.find(setting, post)
            if found is not None and found.post == post:
                code = setting.name if post is None else f"{setting.name}@{post}"
                yield Rule(kind="policy", code=code, post=post, reason=found.reason or None)


def _list_families(
    connection: Connection, families: Mapping[str, Mapping[str, str]]
) -> Iterator[Rule]:
    """Yield the families of features; a home has a year for its first review of them."""
    began = connection.scalar(select(JOURNAL.c.known_at).order_by(JOURNAL.c.seq).limit(1))
    due = None if began is None else began + LONGEST_REVIEW_DAYS * DAY
    for name, stated in families.items():
        yield Rule(
            kind="family",
            code=name,
            owner=stated["owner"],
            threat=stated["threat"],
            reason=stated["reason"],
            review_by=due,
        )
