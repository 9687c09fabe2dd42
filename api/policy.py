"""Policy: settings that steer selection, what a change would have done, over HTTP and as a page."""

from collections.abc import Mapping
from typing import Any

from api.proposals.matters import ProposalMatter, Step, name_at_random
from engine.criteria.dual_control import ApprovalState
from engine.criteria.policy import MATTER, SETTINGS, PolicyProposal, read_policy
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import DAY
from engine.errors import ConflictError

OPEN_TIME = 30 * DAY
"""After this a proposal can no longer be approved: its effect was computed over other days."""


def _prepare(step: Step, proposed: PolicyProposal) -> Mapping[str, Any]:
    _check_centre(step, proposed.setting, proposed.post)
    return proposed.complete(read_policy(step.connection))


def _check(step: Step, state: ApprovalState) -> None:
    _check_centre(step, state.content["setting"], state.content["post"])


def _check_centre(step: Step, setting: str, post: str | None) -> None:
    """Refuse at a node what its centre decides; raises ``ConflictError``."""
    known = SETTINGS.get(setting)
    if known is None or known.is_local:
        return
    posts = step.service.network.posts if post is None else (post,)
    for one in posts:
        if step.service.posts.has_centre(step.connection, one):
            raise ConflictError(MATTER, setting, f"the centre decides it for {one}")


def _find_end(step: Step, state: ApprovalState) -> str:
    """Return why a proposal can no longer be approved: another value came into force since."""
    content = state.content
    setting = SETTINGS.get(content["setting"])
    now = None if setting is None else read_policy(step.connection).find(setting, content["post"])
    is_old = now is not None and now.since > state.proposed_at
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
