"""Candidate of every week: trained, judged and proposed by a timer, put into force by people alone.

Assumes that the timer is no person: what it trains is trained by ``WEEKLY_TIMER``, an account that
approves nothing, so that two people are as needed as for any other model. A candidate that could be
judged, and whose labels nothing speaks against, scores in the shadow from then on; it takes the
place of the timer's earlier ones that no person has approved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.journal.areas import list_projections
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import Plan
from models.config import TrainConfig
from models.lifecycle.projection import read_state
from models.lifecycle.states import WEEKLY_TIMER, ModelStates
from models.lifecycle.transitions import explain_unjudged, retire_proposal, shadow
from models.training.pipeline import Candidate, Progress, make_candidate


@dataclass(frozen=True, slots=True)
class WeeklyProposal:
    """A candidate of the timer, and why it was not proposed; empty where it was."""

    candidate: Candidate
    why_not: str


def propose_weekly(
    home: Home, store: Store, plan: Plan, config: TrainConfig, *, progress: Progress
) -> WeeklyProposal:
    """Train on everything a home knows, judge the result, and propose it to two people.

    The record of the proposal is an event for webhooks (``approval.waiting``). Raises as
    :func:`models.training.pipeline.make_candidate` does.
    """
    made = make_candidate(home, store, plan, config, by=WEEKLY_TIMER, progress=progress)
    why_not = explain_refusal(made.report)
    if not why_not:
        with store.read() as connection:
            drafts = draft_proposal(read_state(connection), made.version)
        if drafts:
            Journal(store, list_projections()).append(drafts)
    return WeeklyProposal(made, why_not)


def explain_refusal(report: Mapping[str, Any]) -> str:
    """Return why a report's model is not worth a person's time; empty where it is."""
    doubts = " ".join(map(str, report.get("doubts", ())))
    return explain_unjudged(report) or doubts


def draft_proposal(now: ModelStates, version: str) -> list[Draft]:
    """Return the records by which a candidate is proposed in the place of earlier ones.

    None where the version left the state of a candidate before: nothing new was learnt.
    """
    if now.models[version].role != "candidate":
        return []
    why = f"replaced by {version}"
    drafts = [
        draft
        for model in now.models.values()
        if model.trained_by == WEEKLY_TIMER
        for draft in retire_proposal(now, model.version, by=WEEKLY_TIMER, why=why)
    ]
    return [*drafts, *shadow(now, version, by=WEEKLY_TIMER)]
