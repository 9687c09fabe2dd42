"""One human is one person; a step of a removed person is completed nowhere."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from api.audit.proposals import (
    ERASURE,
    LOAD_WITHDRAWAL,
    Criteria,
    ErasureProposal,
    WithdrawalProposal,
)
from api.auth.accounts import Accounts
from api.auth.agencies import AgencyTable
from api.auth.authority import Authority
from api.auth.credentials import commitment_of, digest, new_key, open_pepper
from api.auth.oidc_mapping import OidcMapping
from api.auth.permissions import BOUND, OWNED
from api.auth.tables import AccountSecret
from api.cli.main import app
from api.links import proposals
from api.links.proposals import LINK, LINK_RESUMPTION, LinkInForce
from api.models import steps as lifecycle
from api.models.steps import ModelSteps, VerifiedBundle, _inactive
from api.oidc.sign_on import OIDC, MappingProposal
from api.people.steps import AGENCIES
from engine.criteria.dual_control import draft_backtest, draft_proposal
from engine.domain.rights import Role
from engine.errors import NotAllowedError, NotFoundError, RiskError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import KEY_CREATED
from engine.links.list_comparison import ListComparison
from engine.storage.home import Home
from models.lifecycle import transitions
from models.lifecycle.states import ModelEvent, compute_states, read_state
from tests.support.people import approve, desk_of, person, propose, send
from tests.support.running_service import CHEAP, OTHER, POST, World, arrival, make_home
from tests.unit.features.intake import bulk_folders as folders
from tests.unit.service.cases.test_cases import open_case, report
from tests.unit.service.reports.test_acts import find


def entry(plate: str) -> dict[str, str]:
    return {"plate": plate, "reason": "seen", "expiry": "2026-11-01T00:00:00+00:00"}


def propose_entry(world: World, plate: str, by: dict[str, str]) -> str:
    """Propose an entry of the watch list and return its path."""
    made = send(world, "/v1/watchlist", entry(plate), by)
    assert made.status_code == 201, made.text
    return f"/v1/watchlist/{made.json()['id']}"


def accounts(world: World) -> Accounts:
    return Accounts(world.runtime.store, world.runtime.network)


def record_key(world: World, role: Role, owner: str | None = None) -> dict[str, str]:
    """Record a key whether its owner may have it or not; return its headers."""
    secret, about = new_key(), {} if owner is None else {"owner": owner}
    kept = digest(secret, open_pepper(world.home))
    body = {"role": role.value, "commitment": commitment_of(kept)} | about
    key_id = f"key-{kept.hex()[:12]}"
    world.runtime.journal.append([Draft(KEY_CREATED, key_id, "", body, extra=AccountSecret(kept))])
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("role", sorted(OWNED))
def test_a_key_that_approves_needs_an_owner(world: World, role: Role) -> None:
    with pytest.raises(NotAllowedError, match="needs an owner"):
        accounts(world).create_key(role, None, pepper=b"")


def test_a_key_is_no_wider_than_its_owner(world: World) -> None:
    made = accounts(world)
    made.create_user("narrow", Role.ANALYST)
    made.create_user("at-oyb", Role.SUPERVISOR, post="OYB")
    with pytest.raises(NotAllowedError, match="wider than its owner's"):
        made.create_key(Role.SUPERVISOR, None, pepper=b"", owner="narrow")
    with pytest.raises(NotAllowedError, match="for the post OYB alone"):
        made.create_key(Role.SUPERVISOR, None, pepper=b"", owner="at-oyb")
    with pytest.raises(NotFoundError):
        made.create_key(Role.SUPERVISOR, None, pepper=b"", owner="not-there")
    assert made.create_key(Role.ANALYST, None, pepper=b"x", owner="narrow").role is Role.ANALYST


@pytest.mark.parametrize("owner", [None, "the-analyst"])
def test_a_key_that_no_person_answers_for_reads_but_neither_proposes_nor_approves(
    world: World, owner: str | None
) -> None:
    """Neither one of no owner, nor one that is wider than its owner."""
    path = propose_entry(world, "01A111AA", world.headers(Role.ANALYST))
    headers = record_key(world, Role.SUPERVISOR, owner)
    assert world.client.get("/v1/watchlist", headers=headers).status_code == 200
    for to, body in (
        (f"{path}/approvals", {}),
        (f"{path}/retirements", {"reason": "x"}),
        ("/v1/watchlist", entry("01A112AA")),
        ("/v1/models/rules-only", {"reason": "x"}),
    ):
        refused = send(world, to, body, headers)
        assert refused.status_code == 403
        assert "keys create --owner" in refused.json()["detail"]
    assert world.get(path, Role.ANALYST).json()["approvals"] == []


def test_what_a_removed_person_proposed_is_not_completed(world: World) -> None:
    path = propose_entry(world, "01A113AA", person(world, Role.ANALYST))
    accounts(world).remove_user(world.get(path, Role.ANALYST).json()["author"])
    refused = world.post(f"{path}/approvals", {}, Role.SUPERVISOR)
    assert refused.status_code == 409
    assert "propose it again" in refused.json()["detail"]


def test_a_lapsed_proposal_to_leave_gives_way_to_another(world: World) -> None:
    path = propose_entry(world, "01A114AA", world.headers(Role.ANALYST))
    assert world.post(f"{path}/approvals", {}, Role.SUPERVISOR).status_code == 201
    gone, other = {"reason": "old"}, person(world, Role.SUPERVISOR)
    assert send(world, f"{path}/retirements", gone, person(world, Role.ANALYST)).is_success
    second = person(world, Role.ANALYST)
    assert send(world, f"{path}/retirements", gone, second).status_code == 409
    accounts(world).remove_user(world.get(path, Role.ANALYST).json()["leaving"]["by"])
    assert send(world, f"{path}/approvals", {}, other).status_code == 409
    assert send(world, f"{path}/retirements", gone, second).status_code == 201
    assert send(world, f"{path}/approvals", {}, other).status_code == 201
    assert world.get(path, Role.ANALYST).json()["state"] == "retired"


def test_an_approval_by_a_removed_person_does_not_count(world: World) -> None:
    store = world.runtime.store
    for name in ("goes", "stays", "comes"):
        accounts(world).create_user(name, Role.SUPERVISOR)
    journal = Journal(store)
    about = {"by": "tom", "manifest": "m", "evaluation": "e", "card": "c"}
    journal.append([Draft("model_registered", "m9", "", about)])

    def approve(by: str) -> tuple[str, tuple[str, ...]]:
        with store.read() as connection:
            now = read_state(connection)
        gone = _inactive(store, now, "m9")
        journal.append(transitions.approve(now, "m9", by=by, manifest="m", inactive=gone))
        with store.read() as connection:
            model = read_state(connection).models["m9"]
        return model.role, model.approvals

    assert approve("goes") == ("candidate", ("goes",))
    accounts(world).remove_user("goes")
    assert approve("stays") == ("candidate", ("stays",))
    assert approve("comes") == ("in_force", ("stays", "comes"))


def test_negative_control_without_the_dismissal_the_approval_counts() -> None:
    about = ("model_approved", "m9")
    events = [ModelEvent("model_registered", "m9", "tom"), ModelEvent(*about, "goes")]
    assert compute_states([*events, ModelEvent(*about, "stays")]).in_force == "m9"
    assert (
        compute_states([*events, ModelEvent(*about, "stays", dismissed=("goes",))]).in_force is None
    )


def run(home: Home, *words: str, **environment: str) -> Any:
    return CliRunner().invoke(app, [*words, "--home", str(home.root)], env=environment)


def test_a_model_is_trained_under_a_name_that_was_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def make_candidate(*_: object, by: str, **__: object) -> Any:
        trained.append(by)
        return SimpleNamespace(version="m1", report={})

    monkeypatch.setattr("models.training.candidates.make_candidate", make_candidate)
    monkeypatch.setattr("api.cli.models._print_report", lambda _: None)
    monkeypatch.setattr("getpass.getuser", lambda: "clerk")
    home = make_home(tmp_path)
    assert run(home, "train", "--as", "rival").exit_code == 2  # no such person, no password
    assert run(home, "train").exit_code == 0
    assert trained == ["account:clerk"]
    password = run(home, "users", "create", "ann", "--role", "analyst").stdout.strip()
    assert run(home, "train").exit_code == 2
    wrong = run(home, "train", "--as", "ann", DARVOZA_PASSWORD="wrong")
    assert isinstance(wrong.exception, NotAllowedError)
    assert run(home, "train", "--as", "ann", DARVOZA_PASSWORD=password).exit_code == 0
    assert trained == ["account:clerk", "ann"]


def test_keys_are_listed_with_what_is_to_be_done_about_them(world: World) -> None:
    record_key(world, Role.SUPERVISOR)
    listed = run(world.home, "keys", "list")
    assert listed.exit_code == 0
    assert "only reads: make another with --owner, then revoke this one" in listed.stdout
    assert "owner the-supervisor" in listed.stdout
    assert not [key for key in world.keys.values() if key in listed.stdout]
    assert len(listed.stdout.splitlines()) >= len(OWNED) + len(BOUND)


def test_standard_output_holds_the_key_alone(world: World) -> None:
    """A script keeps what standard output says; a person also needs what the key is revoked by."""
    words = ["keys", "create", "--role", "checkpoint", "--post", POST]
    made = CliRunner().invoke(app, [*words, "--home", str(world.home.root)])
    known = world.runtime.accounts.every_key()[-1].key_id
    assert re.fullmatch(r"dz_\S+\n", made.stdout)
    assert known in made.stderr


ROOT = Path(__file__).parents[4]
Headers = dict[str, str]
SHIFT = f"/v1/posts/{POST}/shift"
UNTIL = (datetime(2026, 11, 10, tzinfo=UTC)).isoformat()


class Pair:
    """Two people of one role: the first begins a step and is removed, the second completes it."""

    def __init__(self, world: World, matter: str, role: Role = Role.SUPERVISOR) -> None:
        self.world, self.role, self.tag = world, role, token_hex(3)
        self.gone, self.stays = f"gone-{matter}-{self.tag}", f"stays-{matter}-{self.tag}"
        self.accounts = Accounts(world.runtime.store, world.runtime.network)
        self.first, self.second = (self.enter(name) for name in (self.gone, self.stays))

    def enter(self, name: str, role: Role | None = None) -> Headers:
        role = role or self.role
        post = POST if role is Role.CHECKPOINT else None
        with patch("api.auth.credentials._HASHER", CHEAP):
            self.accounts.create_user(name, role, post=post)
        made = self.accounts.create_key(role, post, pepper=open_pepper(self.world.home), owner=name)
        return {"Authorization": f"Bearer {made.secret}"}

    def begin(self, path: str, body: Any) -> Any:
        """Let the first person take a step, who is removed after it."""
        begun = send(self.world, path, body, self.first)
        assert begun.status_code == 201, begun.text
        self.remove()
        return begun.json()

    def remove(self) -> None:
        self.accounts.remove_user(self.gone)

    def complete(self, path: str, body: Any) -> bool:
        """Let the second person take a step; tell whether it was taken."""
        answer = send(self.world, path, body, self.second)
        assert answer.status_code in (201, 409), answer.text
        return bool(answer.status_code == 201)


def attempt(step: Callable[[], object]) -> bool:
    """Take a step; tell whether it was taken."""
    try:
        step()
    except RiskError:
        return False
    return True


def walk_profile(world: World) -> bool:
    pair = Pair(world, "profile", Role.ANALYST)
    code = f"P-{pair.tag.upper()}"
    profile = {"code": code, "channel": "red", "valid_until": UNTIL, "post": POST}
    profile["expression"] = "crossing.weighed_mass_kg > 8800.0"
    pair.begin("/v1/profiles", profile)
    figures = draft_backtest("profile", code, by="x", state="proposed", figures={})
    world.runtime.writer.submit(figures).result()
    path = f"/v1/profiles/{code}/approvals"
    return send(world, path, {}, supervisor(world)).is_success  # type: ignore[no-any-return]


def supervisor(world: World) -> Headers:
    return world.headers(Role.SUPERVISOR)


def propose_plate(world: World, by: Headers) -> str:
    entry = {"plate": "01A777XX", "reason": "seen", "expiry": UNTIL}
    return str(send(world, "/v1/watchlist", entry, by).json()["id"])


def walk_entry(world: World) -> bool:
    pair = Pair(world, "entry")
    entry = propose_plate(world, pair.first)
    pair.remove()
    return pair.complete(f"/v1/watchlist/{entry}/approvals", {})


def walk_retirement(world: World) -> bool:
    pair = Pair(world, "retirement")
    entry = propose_plate(world, world.headers(Role.ANALYST))
    assert send(world, f"/v1/watchlist/{entry}/approvals", {}, supervisor(world)).is_success
    pair.begin(f"/v1/watchlist/{entry}/retirements", {"reason": "old"})
    return pair.complete(f"/v1/watchlist/{entry}/approvals", {})


def walk_by_command(world: World, pair: Pair, matter: Any, content: Any) -> bool:
    """Let the first person propose by command, be removed, and the second person approve."""
    subject = propose(world.runtime, matter, content, by=pair.gone)
    pair.remove()
    return attempt(lambda: approve(world.runtime, matter, subject, by=pair.stays))


def walk_agencies(world: World) -> bool:
    return walk_by_command(world, Pair(world, "agencies"), AGENCIES, AgencyTable())


def walk_oidc(world: World) -> bool:
    mapping = MappingProposal(mapping=OidcMapping(), file="0" * 64)
    return walk_by_command(world, Pair(world, "oidc"), OIDC, mapping)


def walk_account(world: World) -> bool:
    pair = Pair(world, "account", Role.ADMINISTRATOR)
    asked = {"grant": "person", "name": f"newcomer-{pair.tag}", "role": "analyst"}
    made = pair.begin("/v1/proposals", {"matter": "account", "content": asked})
    return pair.complete(f"/v1/proposals/{made['receipt']['sequence']}/approvals", {})


def walk_erasure(world: World) -> bool:
    pair = Pair(world, "erasure")
    crossing = arrival(9_000, carrier_id=pair.tag, crossing_id=f"erased-{pair.tag}")
    assert world.post("/v1/crossings", crossing).status_code == 201
    erasure = ErasureProposal(criteria=Criteria(subject=pair.tag))
    return walk_by_command(world, pair, ERASURE, erasure)


def walk_load(world: World) -> bool:
    pair = Pair(world, "load")
    folder = world.home.root.parent / pair.tag
    rows = [folders.crossing(1, crossing_id=f"loaded-{pair.tag}")]
    folders.write({"crossings": rows}, folder, network=None)
    command = ["load", str(folder), "--home", str(world.home.root), "--json"]
    digest = json.loads(CliRunner().invoke(app, command).stdout)["load"]
    return walk_by_command(world, pair, LOAD_WITHDRAWAL, WithdrawalProposal(load=digest))


def walk_link(world: World, *, matching: bool = False) -> bool:
    """Let a person approve what one who left proposed, where nothing is but that proposal."""
    pair = Pair(world, f"link-{matching}")
    matter = LINK_RESUMPTION if matching else LINK
    content = {"link": pair.tag, "stopped": 1, "why": ""} if matching else {"agreement": {}}
    draft = draft_proposal(matter.name, pair.tag, by=pair.gone, content=content)
    world.runtime.writer.submit(draft).result()
    pair.remove()
    taken = replace(matter, find_end=lambda *_: "", carry_out=lambda *_: LinkInForce(pair.tag))
    return attempt(lambda: approve(world.runtime, taken, pair.tag, by=pair.stays))


def walk_match_details(world: World) -> bool:
    pair = Pair(world, "match")
    pair.remove()
    taken: list[str] = []
    asked = SimpleNamespace(release=SimpleNamespace(person=pair.gone, state="asked_once"))
    desk = desk_of(world.runtime, pair.stays)
    with (
        patch.object(proposals, "open_exchange", lambda *_: None),
        patch.object(ListComparison, "read_hit", lambda *_: asked),
        patch.object(ListComparison, "take_step", lambda *_, **__: taken.append("ask")),
    ):
        attempt(lambda: proposals.take_details_step(desk, "x", "t", "ask", why=""))
    return bool(taken)


def walk_handover(world: World) -> bool:
    pair, path = Pair(world, "handover"), f"/v1/posts/{POST}/handovers"
    opened = datetime.fromisoformat(world.get(SHIFT, Role.SUPERVISOR).json()["opens_at"])
    is_over = world.get(SHIFT, Role.SUPERVISOR).json()["handover"] is not None
    note = {"at": (opened - timedelta(minutes=1)).isoformat()} if is_over else {}
    sequence = pair.begin(path, note)["sequence"]
    is_done = pair.complete(f"{path}/{sequence}/signatures", {})
    if not is_done:  # the shift can still be handed over
        again = send(world, path, note, pair.second).json()
        taken = f"{path}/{again['sequence']}/signatures"
        assert send(world, taken, {}, supervisor(world)).status_code == 201
        report = world.get(SHIFT, Role.SUPERVISOR).json()["handover"]
        assert (report["left_by"], report["taken_by"]) == (pair.stays, "the-supervisor")
    return is_done


def walk_review(world: World) -> bool:
    pair = Pair(world, "review")
    red = find(world, "red", 20_000 + int(pair.tag[:4], 16))
    word = {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "known"}
    path = f"/v1/decisions/{red['decision_id']}/reviews"
    pair.begin(path, word)
    assert pair.complete(path, word), "recorded as a first word"
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    return red["crossing_id"] not in [one["crossing_id"] for one in waiting]


def walk_find(world: World) -> bool:
    pair, plate = Pair(world, "find"), f"01F{int(token_hex(2), 16) % 1000:03d}ZZ"
    number = 200_000 + int(pair.tag[:4], 16)
    far = arrival(number, post=OTHER, plate=plate, crossing_id=f"far-{pair.tag}")
    at_far = {"Authorization": f"Bearer {world.other}"}
    assert world.client.post("/v1/decisions", json=far, headers=at_far).status_code == 201
    officer = f"officer-{pair.tag}"
    by = pair.enter(officer, Role.CHECKPOINT)
    seizure = {"seizure_id": f"s-{pair.tag}", "plate": plate, "substance_class": "other"}
    seizure["recorded_at"] = datetime.now(UTC).isoformat()
    assert send(world, "/v1/seizures", seizure, by).status_code == 201
    waiting = world.get("/v1/finds", Role.SUPERVISOR).json()["finds"]
    pair.accounts.remove_user(officer)
    return pair.complete(f"/v1/finds/{waiting[-1]['sequence']}/confirmations", None)


def walk_case(world: World) -> bool:
    pair = Pair(world, "case")
    case_id = open_case(world, supervisor(world))
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    event = {"kind": "controlled_delivery", "route_countries": ["TJ"], "until": until}
    of = report(world, case_id, pair.first, event).json()["sequence"]
    pair.remove()
    return pair.complete(f"/v1/cases/{case_id}/events", {"event": {"kind": "agreement", "of": of}})


def walk_model(world: World) -> bool:
    pair = Pair(world, "model")
    body = {"by": "trainer", "manifest": "m", "evaluation": "e", "card": "c"}
    version = f"m-{pair.tag}"
    world.runtime.journal.append([Draft("model_registered", version, "", body)])
    bundle = VerifiedBundle("m", {"targets": ["seizure"]}, fits=True)
    with patch.object(lifecycle, "_verify_bundle", lambda *_: bundle):
        for name in (pair.gone, pair.stays):
            steps = ModelSteps(world.home, world.runtime.store, name)
            states = steps.approve(version)
            if name == pair.gone:
                pair.remove()
    return states.in_force == version


WALKS: dict[str, tuple[Callable[[World], bool], ...]] = {
    "api.proposals.desk.ProposalDesk.approve": (
        walk_profile,
        walk_entry,
        walk_retirement,
        walk_account,
        walk_agencies,
        walk_oidc,
        walk_erasure,
        walk_load,
        walk_link,
        lambda world: walk_link(world, matching=True),
    ),
    "api.links.proposals.take_details_step": (walk_match_details,),
    "api.shifts.steps.take_shift": (walk_handover,),
    "api.decisions.readers.first_words": (walk_review,),
    "api.acts.confirmations.confirm_find": (walk_find,),
    "api.cases.steps.CaseWriter._check_people": (walk_case,),
    "api.models.steps.ModelSteps._check_people": (walk_model,),
}
"""Walks of the matters by the place that asks the rule of two people."""


UNDONE = {"api.models.steps.ModelSteps._check_people"}
"""Places where what a removed person began is left out before the rule is asked."""


@pytest.mark.parametrize("place", WALKS)
def test_a_step_of_a_removed_person_is_completed_nowhere(
    world: World, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the same walks, where the rule is not asked."""
    for walk in WALKS[place]:
        assert walk(world) is False
    if place not in UNDONE:
        monkeypatch.setattr(Authority, "must_second", lambda *_, **__: None)
        for walk in WALKS[place]:
            assert walk(world) is True


def find_places() -> Iterator[str]:
    """Yield the functions that ask the rule, but for those that pass it on."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        text = path.read_text("utf-8")
        for node in ast.parse(text).body if "must_second(" in text else ():
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            name = f"{module}.{node.name}" if isinstance(node, ast.ClassDef) else module
            for one in inner:
                if not isinstance(one, ast.FunctionDef) or "must_second(" not in ast.unparse(one):
                    continue
                if one.name not in ("must_second", "_must_second"):
                    yield f"{name}.{one.name}"


SHOWS = {"api.cases.readers._list_custody"}
"""Places that ask in order to notify who may complete a step; the step itself asks again."""


def test_every_place_that_asks_has_a_walk() -> None:
    assert set(find_places()) - SHOWS == WALKS.keys()
