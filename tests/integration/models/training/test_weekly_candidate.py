"""The candidate of every week is proposed, announced, and never in force by itself."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner

from api.cli.main import app
from api.service.assembly import open_store
from engine.domain.time_units import DAY
from engine.events.webhooks import EVENTS, WEBHOOKS
from engine.journal.journal import Journal
from engine.journal.kinds import MODEL_APPROVED, MODEL_IN_FORCE
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue import catalogue
from models.lifecycle import states, transitions
from models.lifecycle.states import read_state
from models.training import candidates
from models.training.candidates import draft_weekly_proposal, explain_refusal
from tests.integration.models.training.test_reproduce import CONFIG, SIZE, SOME
from tests.unit.features.random_histories import NETWORK, START, history, known_before, tables

TIMER = states.WEEKLY_TIMER
WHOLE = replace(tables(history(7, SIZE)), network=NETWORK)


def state_of(store: Store) -> states.ModelStates:
    with store.read() as connection:
        return read_state(connection)


def train_weekly(home: Home, *words: str, status: int = 0) -> dict[str, Any]:
    asked = ["train", str(home.root / "small.toml"), "--weekly", "--home", str(home.root), "--json"]
    result = CliRunner().invoke(app, [*asked, *words])
    assert result.exit_code == status, result.output
    found: dict[str, Any] = json.loads(result.stdout) if status == 0 else {}
    return found


def test_the_timer_proposes_and_people_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_before(WHOLE, START + 330 * DAY)
    monkeypatch.setattr(catalogue, "CATALOGUE", SOME)
    monkeypatch.setattr(candidates, "read_event_log", lambda *_: known)
    # Analysts' notebook has a test of its own, and takes seconds to import.
    monkeypatch.setattr(candidates, "record_run", lambda *_: "")
    home = Home(tmp_path / "home")
    with open_store(home) as store:
        (home.root / "small.toml").write_text(CONFIG)
        with store.engine.begin() as connection:
            connection.execute(insert(WEBHOOKS).values(webhook_id="w", seq=0))
        assert train_weekly(home, "--as", "ann", status=2) == {}

        made = train_weekly(home)
        assert made["proposed"] and made["metrics"]["targets"]
        first = state_of(store).models[made["version"]]
        assert (first.role, first.trained_by) == ("shadow", TIMER)
        assert state_of(store).in_force is None
        with store.read() as connection:
            assert list(connection.execute(select(EVENTS.c.type)).scalars()) == ["approval.waiting"]
        assert draft_weekly_proposal(state_of(store), first.version) == [], "nothing new was known"

        second = "m-of-the-week-after"
        names = {"manifest": first.manifest, "evaluation": "e", "card": "c"}
        journal = Journal(store)
        journal.append(transitions.register(state_of(store), second, by=TIMER, **names))
        journal.append(draft_weekly_proposal(state_of(store), second))
        now = state_of(store)
        assert now.models[first.version].role == "retired", "no person had approved it"
        assert now.models[second].role == "shadow"

        by_itself = [MODEL_APPROVED.draft(second, {"by": TIMER})] * 2
        journal.append([*by_itself, MODEL_IN_FORCE.draft(second, {"by": TIMER, "why": ""})])
        assert state_of(store).in_force is None, "who trained a model approves nothing of it"
        for person in ("ann", "bob"):
            assert state_of(store).in_force is None
            journal.append(
                transitions.approve(state_of(store), second, by=person, manifest=first.manifest)
            )
        assert state_of(store).in_force == second
        assert not transitions.retire_proposal(state_of(store), second, by=TIMER, why="a new one")

        # Negative control: were who trained it no matter, the records above would put it
        # into force.
        monkeypatch.setattr(states, "check_person", lambda *_, **__: None)
        events = states.ModelStates(models={second: replace(now.models[second], role="shadow")})
        for kind in (MODEL_APPROVED, MODEL_APPROVED):
            events = states.apply_event(events, states.ModelEvent(kind, second, TIMER))
        assert events.in_force == second


def test_what_a_person_has_approved_stays() -> None:
    def model(version: str, **more: Any) -> states.ModelState:
        known = states.ModelState(version, "shadow", TIMER, "m", "e", "c")
        return replace(known, **more)

    every = [
        model("m-idle"),
        model("m-wanted", approvals=("ann",)),
        model("m-tried", challenges=("ann",)),
        model("m-theirs", trained_by="ann"),
        model("m-new", role="candidate"),
    ]
    now = states.ModelStates(models={one.version: one for one in every})
    drafts = draft_weekly_proposal(now, "m-new")
    assert [(one.kind, one.subject) for one in drafts] == [
        ("model_retired", "m-idle"),
        ("model_shadowed", "m-new"),
    ]


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"targets": {"discrepancy": {}}}, ""),
        ({"targets": {}, "cannot_tell": ["Too few finds."]}, "Too few finds."),
        ({"targets": {"discrepancy": {}}, "doubts": ["Labels look turned."]}, "Labels look"),
    ],
)
def test_only_what_was_judged_is_proposed(report: dict[str, Any], why: str) -> None:
    assert explain_refusal(report).startswith(why)
    assert bool(explain_refusal(report)) == bool(why)
