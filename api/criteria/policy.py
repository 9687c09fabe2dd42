"""Policy: settings that steer selection, who changed them, and what a change would have done.

Over HTTP and as a page. A value is proposed and approved as every matter of two people is, under
``/v1/proposals``; the effect of a value over the last 28 days is shown before it is approved.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, cast

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.access import check_post
from api.http.answers import Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, json_router, takes
from api.profiles.answers import filter_of
from api.proposals.desk import ProposalDesk
from api.proposals.matters import ProposalMatter, Step, name_at_random
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm, read_field
from engine.audit.file_anchors import (
    DeclaredNetwork,
    note_network,
    parse_network,
    read_approved_network,
    read_declared_networks,
)
from engine.criteria.dual_control import ApprovalState
from engine.criteria.policy import (
    MATTER,
    NETWORK,
    SETTINGS,
    SILENCE,
    NetworkText,
    PolicyHistory,
    PolicyProposal,
    PolicySetting,
    PolicyValue,
    Silence,
    list_ignored,
    read_policy,
)
from engine.domain.field_types import Identifier, PostCode
from engine.domain.records import Record
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import DAY, rfc3339
from engine.domain.validation import bare
from engine.errors import ConflictError, RecordError
from engine.targeting.policy_effects import PolicyEffect, measure_effect

OPEN_TIME = 30 * DAY
"""After this a proposal can no longer be approved: its effect was computed over other days."""


def _prepare(step: Step, proposed: PolicyProposal) -> Mapping[str, Any]:
    _check_centre(step, proposed.setting, proposed.post)
    return proposed.complete(read_policy(step.connection))


def _check(step: Step, state: ApprovalState) -> None:
    _check_centre(step, state.content["setting"], state.content["post"])


def _check_centre(step: Step, name: str, post: str | None) -> None:
    """Refuse at a node what its centre decides; raises ``ConflictError``."""
    setting = SETTINGS.get(name)
    if setting is None or setting.is_local:
        return
    for one in step.service.network.posts if post is None else (post,):
        if step.service.posts.has_centre(step.connection, one):
            raise ConflictError(MATTER, name, f"the centre decides it for {one}")


def _find_end(step: Step, state: ApprovalState) -> str:
    """Return why a proposal can no longer be approved: another value came into force since."""
    setting = SETTINGS.get(state.content["setting"])
    if setting is None:
        return "this version has no such setting"
    now = read_policy(step.connection).find(setting, state.content["post"])
    is_old = now is not None and not now.is_first and now.since > state.proposed_at
    return "another value came into force since: propose it again" if is_old else ""


POLICY = ProposalMatter(
    name=MATTER,
    content=PolicyProposal,
    about=Matter.POLICY,
    shown=("GET", "/v1/policy"),
    may={
        Right.ACT: frozenset({Role.ANALYST, Role.SUPERVISOR}),
        Right.APPROVE: frozenset({Role.SUPERVISOR, Role.INTEGRITY}),
    },
    page="/policy#{}",
    is_of_post=True,
    open_time=OPEN_TIME,
    subject=name_at_random("policy"),
    post=lambda _caller, proposed: proposed.post,
    prepare=_prepare,
    find_end=_find_end,
    check=_check,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValueView(Answer):
    """A value that is in force."""

    post: str | None
    """None at all posts without a value of their own."""
    value: dict[str, Any] | None
    """None of a setting that nothing was declared for."""
    since: Time | None
    """When it was approved or first recorded; None of a shipped value."""
    sequence: int
    by: str
    """Who proposed it; empty for a first value."""
    approvals: list[str]
    is_first: bool
    """From the environment, a file or as shipped; nobody has changed it."""
    is_of_centre: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettingView(Answer):
    """One setting, and what is in force."""

    setting: str
    is_by_post: bool
    takes_effect: Literal["shift", "start", "now"]
    """With the next shift of each post, when the service next starts, or at once."""
    values: list[PolicyValueView]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPolicy(Answer):
    """A proposed value that waits for a second person."""

    id: str
    number: int
    setting: str
    post: str | None
    value: dict[str, Any] | None
    reason: str
    by: str
    at: Time
    effect: PolicyEffect


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView(Answer):
    """Every setting that steers selection."""

    tables = ("settings", "waiting")
    settings: list[PolicySettingView]
    waiting: list[WaitingPolicy]
    ignored: list[str]
    """What was edited in the environment or in the network file and changes nothing."""
    awaits_start: list[str]
    """Settings whose newest value takes effect when the service next starts."""


class PolicyPreview(Record):
    """A value that is not proposed yet."""

    setting: Identifier
    post: PostCode | None = None
    value: dict[str, Any] | None = None
    EXAMPLE: ClassVar = {"setting": "shares", "value": {"random_share": 0.05}}


def read_policy_view(service: Runtime, caller: Caller) -> PolicyView:
    """Return what is in force, and what waits with its effect."""
    with service.store.read() as connection:
        history = read_policy(connection)
        waiting = [
            _describe_waiting(service, caller, connection, history, one.state)
            for one in ProposalDesk(service, caller).list_in(connection)
            if one.matter is POLICY and one.waits
        ]
        edited = list_ignored(history, service.settings.first_policy)
        ignored = [f"{name}.{at}" for name, at in edited]
        if note := note_network(service.home, connection):
            ignored.append(note)
        declared = next(iter(read_declared_networks(connection)[-1:]), None)
        awaits_start = _list_awaiting_start(service, connection, history)
    return PolicyView(
        settings=[_describe_setting(history, one, declared) for one in SETTINGS.values()],
        waiting=waiting,
        ignored=ignored,
        awaits_start=awaits_start,
    )


def _list_awaiting_start(
    service: Runtime, connection: Connection, history: PolicyHistory
) -> list[str]:
    """Return the settings whose newest value is not the one that this process runs with."""
    silence = cast("Silence", history.read(SILENCE)).as_limits()
    network = read_approved_network(connection)
    found = [] if silence == service.posts.limits else [SILENCE.name]
    if network is not None and parse_network(network) != service.network:
        found.append(NETWORK.name)
    return found


def _describe_setting(
    history: PolicyHistory, setting: PolicySetting, declared: DeclaredNetwork | None
) -> PolicySettingView:
    """Return a setting; of the network file the declared one, where nobody has changed it."""
    general = history.find(setting)
    if general is None and setting is NETWORK and declared is not None:
        file = NetworkText.model_construct(file=declared.text)
        general = PolicyValue(setting, file, sequence=declared.seq, is_first=True)
    own = [history.find(setting, post) for post in history.list_posts(setting)]
    found = [general, *(one for one in own if one is not None and one.post is not None)]
    return PolicySettingView(
        setting=setting.name,
        is_by_post=setting.is_by_post,
        takes_effect=setting.takes_effect,
        values=[_describe_value(one) for one in found if one is not None],
    )


def _describe_value(one: PolicyValue) -> PolicyValueView:
    return PolicyValueView(
        post=one.post,
        value=None if one.value is None else one.value.model_dump(mode="json"),
        since=rfc3339(one.since) if one.since else None,
        sequence=one.sequence,
        by=one.author,
        approvals=[*one.approvals],
        is_first=one.is_first,
        is_of_centre=one.is_of_centre,
    )


def _describe_waiting(
    service: Runtime,
    caller: Caller,
    connection: Connection,
    history: PolicyHistory,
    state: ApprovalState,
) -> WaitingPolicy:
    content = state.content
    setting = SETTINGS[content["setting"]]
    value = None if content["value"] is None else setting.parse(content["value"])
    effect = measure_effect(
        connection,
        history,
        setting,
        value,
        post=content["post"],
        now=service.journal.now(connection),
        seen=filter_of(caller),
    )
    return WaitingPolicy(
        id=state.subject,
        number=state.sequence,
        setting=setting.name,
        post=content["post"],
        value=content["value"],
        reason=content["reason"],
        by=state.author,
        at=rfc3339(state.proposed_at),
        effect=effect,
    )


def preview_effect(service: Runtime, caller: Caller, asked: PolicyPreview) -> PolicyEffect:
    """Return what a value would have done; nothing is recorded. Raises ``RecordError``."""
    proposed = PolicyProposal(
        setting=asked.setting, post=asked.post, value=asked.value, reason="preview"
    )
    if asked.post is not None:
        check_post(service.network, caller, asked.post)
    with service.store.read() as connection:
        history = read_policy(connection)
        content, setting = proposed.complete(history), proposed.find_setting()
        value = None if content["value"] is None else setting.parse(content["value"])
        now = service.journal.now(connection)
        return measure_effect(
            connection, history, setting, value, post=asked.post, now=now, seen=filter_of(caller)
        )


router = json_router("/v1/policy", "policy", 404, 409, 413)


@router.get("", response_model=PolicyView)
def policy(caller: TheCaller, service: TheService) -> Response:
    """Return every setting that steers selection, and the proposals that wait."""
    return answer(read_policy_view(service, caller))


@router.post("/previews", response_model=PolicyEffect, openapi_extra=takes(PolicyPreview))
def preview(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[PolicyPreview, Depends(body_of(PolicyPreview))],
) -> Response:
    """Return what a value would have done in the last 28 days; nothing is recorded."""
    return answer(preview_effect(service, caller, asked))


page_router = APIRouter(prefix="/policy", route_class=PageRoute, include_in_schema=False)
Chosen = Annotated[str, Query(max_length=64)]


@page_router.get("")
def show(visit: TheVisit, service: TheService, setting: Chosen = "", post: Chosen = "") -> Response:
    """Show what is in force and what waits; the form is that of the setting a link names."""
    return _page(visit, service, kept={"setting": [setting], "post": [post]})


@page_router.post("/previews")
def show_preview(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader
) -> Response:
    """Show the form with what its value would have done."""
    try:
        proposed = _read_proposal(reader, form, needs_reason=False)
        asked = PolicyPreview(setting=proposed.setting, post=proposed.post, value=proposed.value)
        effect = preview_effect(service, visit.caller, asked)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return _page(visit, service, kept=form, effect=effect)


@page_router.post("")
def send_proposal(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader
) -> Response:
    """Propose a value."""
    try:
        once = reader.once()
        proposed = _read_proposal(reader, form, needs_reason=True)
        ProposalDesk(service, visit.caller, once).propose(POLICY, proposed)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/policy?done=proposed", 303)


def _read_proposal(reader: FormReader, form: Form, *, needs_reason: bool) -> PolicyProposal:
    """Return what a form proposes; raises ``FormError`` and ``RecordError``."""
    setting = SETTINGS.get(reader.text("setting"))
    if setting is None:
        raise FormError(FieldMistake("setting", "not_offered"))
    value: dict[str, Any] | None = None
    if not reader.text("goes_back"):
        value = {name: _read_value(reader, form, setting, name) for name in _fields(setting)}
    fields = {
        "setting": setting.name,
        "post": reader.text("post") or None,
        "value": value,
        "reason": reader.text("reason") or ("" if needs_reason else "preview"),
    }
    return reader.finish(reader.record(PolicyProposal, fields))


Control = Literal["number", "share", "clock", "text", "json"]
SHARES = frozenset(
    {"red_share", "yellow_share", "blue_share", "random_share", "random_yellow_share",
     "random_blue_share", "floor", "bound"}
)  # fmt: skip
"""Fields that a form states in percent."""
CLOCKS: Mapping[str, str] = {"starts_minute": "", "utc_offset_minutes": "+"}
"""Fields of minutes that a form states as hours and minutes, with the sign of a positive one."""
_CLOCK = re.compile(r"([+-]?)(\d{1,2}):([0-5]\d)")


def _fields(setting: PolicySetting) -> Mapping[str, Control]:
    """Return how a form asks for each field of a value."""
    kinds: Mapping[Any, Control] = {
        int: "number",
        float: "number",
        str: "text",
    }
    return {
        name: "share"
        if name in SHARES
        else "clock"
        if name in CLOCKS
        else kinds.get(bare(field.annotation), "json")
        for name, field in setting.value.model_fields.items()
    }


def _read_value(reader: FormReader, form: Form, setting: PolicySetting, name: str) -> Any:
    kind = _fields(setting)[name]
    if kind in ("number", "share"):
        found = reader.share(name) if kind == "share" else reader.number(name)
        if found is None and not any(one.at == name for one in reader.mistakes):
            reader.refuse(name, "missing_key")
        return found
    text = read_field(form, name).replace("\r\n", "\n")
    if kind == "clock":
        return _read_clock(reader, name, text.strip())
    if kind == "text":
        return text
    try:
        return json.loads(text)
    except ValueError:
        reader.refuse(name, "not_json")
        return None


def _read_clock(reader: FormReader, name: str, text: str) -> int | None:
    """Return the minutes of hours and minutes, as 480 of 08:00 and -90 of -01:30."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        reader.refuse(name, "not_a_clock")
        return None
    minutes = 60 * int(found[2]) + int(found[3])
    return -minutes if found[1] == "-" else minutes


def write_clock(name: str, minutes: int) -> str:
    """Return minutes of a field as hours and minutes.

    >>> write_clock("starts_minute", 480), write_clock("utc_offset_minutes", 300)
    ('08:00', '+05:00')
    """
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else CLOCKS[name]}{hours:02}:{rest:02}"


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    effect: PolicyEffect | None = None,
) -> Response:
    chosen, post = SETTINGS.get(read_field(kept, "setting")), read_field(kept, "post")
    found = read_policy_view(service, visit.caller)
    named = {**TABLES["policy_field"], "reason": TABLES["field"]["reason"]}
    return visit.form_page(
        "policy.html",
        json_address="/v1/policy",
        found=found,
        chosen=chosen,
        fields={} if chosen is None else _fields(chosen),
        shares=SHARES,
        clocks=CLOCKS,
        clock=write_clock,
        orders={one.name: [*one.value.model_fields] for one in SETTINGS.values()},
        posts=[*service.network.posts],
        at=post if post in service.network.posts else "",
        kept={**_begin_form(found, chosen, post), **kept},
        wrong=[replace(one, at=one.at.removeprefix("value.")) for one in wrong],
        field_names=named,
        effect=effect,
        approves=visit.caller.permits(POLICY.rule(Right.APPROVE)),
        proposes=visit.caller.permits(POLICY.rule(Right.ACT)),
    )


def _begin_form(
    found: PolicyView, setting: PolicySetting | None, post: str
) -> dict[str, list[str]]:
    """Return what the form of a setting begins with: the value in force."""
    if setting is None:
        return {}
    known = next(one for one in found.settings if one.setting == setting.name).values
    value = next((one.value for one in reversed(known) if one.post in (None, post)), None) or {}
    kinds = _fields(setting)
    return {name: [_write_value(name, kinds[name], one)] for name, one in value.items()}


def _write_value(name: str, kind: Control, value: Any) -> str:
    if kind == "clock":
        return write_clock(name, value)
    if kind == "share":
        return f"{100 * value:g} %"
    if kind == "number":
        return f"{value:g}"
    return str(value) if kind == "text" else json.dumps(value, ensure_ascii=False, indent=1)
