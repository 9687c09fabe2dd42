"""One human is one person: keys have owners, trainers a name of their own, and removal counts."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.auth.credentials import commitment_of, digest, new_key, open_pepper
from api.auth.permissions import BOUND, OWNED
from api.auth.tables import AccountSecret
from api.cli.main import app
from api.models.steps import _inactive
from engine.domain.rights import Role
from engine.errors import NotAllowedError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import KEY_CREATED
from engine.storage.home import Home
from models.lifecycle import transitions
from models.lifecycle.states import ModelEvent, compute_states, read_state
from tests.support.extra_callers import person, send
from tests.support.running_service import POST, World, make_home


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
