"""A profile from one line to what became of its matches, and never with one person."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.auth.accounts import Accounts
from api.http.answers import AcknowledgedStep
from api.profiles.answers import AcknowledgedProfile, Profiles, ProfileView
from api.proposals import desk
from api.service.executors import Backtests
from api.shifts.readers import read_now
from engine.criteria import dual_control
from engine.criteria.profiles.checker import context, program
from engine.criteria.profiles.profile import BacktestSubject, Profile, read_profiles
from engine.criteria.profiles.readable_fields import Reader
from engine.domain.rights import Role
from engine.errors import NotFoundError
from engine.queue.queue import list_decisions
from features.history.tables import read_event_log
from models.evaluation.profile_backtest import profile_backtest
from tests.support.clocks import wait_for
from tests.support.people import at_desk, person, send
from tests.support.running_service import World, arrival, serving
from tests.unit.service.reports.test_acts import read_basis as basis_of

POTATOES = (
    'goods.exists(g, g.hs_code.startsWith("0701") && g.description.contains("sacks"))'
    " && features.carrier_crossings_365d == 0 && features.hour >= 0"
)
"""Potatoes in sacks from a first-time carrier; at any hour, so that the test has none."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own: a profile in force fits what other tests send."""
    yield from serving(tmp_path / "home")


@pytest.fixture(autouse=True)
def _in_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run backtests here: a process of its own takes longer to start than all that it does."""

    def run(_: Backtests, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        with world.runtime.store.read() as connection:
            made = profile_backtest(read_event_log(world.home, connection), trial, days=days)
        return dict(json.loads(json.dumps(made)))

    monkeypatch.setattr(Backtests, "run", run)


@pytest.fixture
def people(world: World) -> dict[str, dict[str, str]]:
    return {
        "ann": person(world, Role.ANALYST),
        "bob": person(world, Role.SUPERVISOR),
        "cem": person(world, Role.SUPERVISOR),
        "dil": person(world, Role.SUPERVISOR),
    }


People = dict[str, dict[str, str]]


def make_proposal(code: str, expression: str = POTATOES, **more: Any) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    known = {"code": code, "expression": expression, "channel": "red", "valid_until": until}
    return known | more


def sacks(number: int, **crossing: Any) -> dict[str, Any]:
    body = arrival(number * 3 + 1, carrier_id=f"first-{number}", **crossing)
    body["declaration"]["items"].append(
        {"item_no": 2, "hs_code": "070190", "description": "Ware potatoes in SACKS"}
    )
    return body


def decide_arrival(world: World, body: dict[str, Any]) -> dict[str, Any]:
    answer = world.decide(body)
    assert answer.status_code == 201
    seen: dict[str, Any] = world.get(f"/v1/decisions/{answer.json()['decision_id']}").json()
    return seen


def into_force(world: World, people: People, code: str, **more: Any) -> None:
    assert (
        send(world, "/v1/profiles", make_proposal(code, **more), people["ann"]).status_code == 201
    )
    approved = send(world, f"/v1/profiles/{code}/approvals", {}, people["bob"])
    assert approved.status_code == 201 and approved.json()["state"] == "in_force"


def test_one_line_tells_at_once_what_it_would_have_done(world: World, people: People) -> None:
    for number in range(9300, 9306):
        decide_arrival(world, sacks(number))
    asked = {"expression": POTATOES, "days": 90}
    found = send(world, "/v1/profiles/backtests", asked, people["ann"])
    assert found.status_code == 200
    fields = found.json()
    assert fields["matches"] == 6 <= fields["arrivals"] and fields["minutes_per_day"] > 0
    assert fields["hit_rate"]["knowable"] is False and fields["hit_rate"]["why"]
    assert world.get("/v1/profiles/NOT-YET").status_code == 404


def test_from_a_proposal_to_the_hits_of_its_matches(world: World, people: People) -> None:
    body = make_proposal("SACKS-1", title="Potatoes in sacks", percentage=100)
    answer = send(world, "/v1/profiles", body, people["ann"])
    TypeAdapter(AcknowledgedProfile).validate_python(answer.json())
    assert answer.status_code == 201 and answer.json()["state"] == "proposed"
    assert send(world, "/v1/profiles", body, people["ann"]).content == answer.content
    assert decide_arrival(world, sacks(9310))["profiles"] == []

    approved = send(world, "/v1/profiles/SACKS-1/approvals", {}, people["bob"])
    TypeAdapter(AcknowledgedStep).validate_python(approved.json())
    red = decide_arrival(world, sacks(9311))
    assert red["channel"] == "red" and red["profiles"] == ["SACKS-1"]
    assert red["propensity"] == 1.0 and red["basis"] in ("profile", "random")
    assert decide_arrival(world, arrival(9312 * 3 + 1))["profiles"] == []

    act = {
        "inspection_id": "i-sacks",
        "crossing_id": red["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "methods": ["physical"],
        "minutes": 50,
        "outcome": "seizure",
    }
    filed = world.post("/v1/inspections", act)
    assert basis_of(world, filed)[0] == red["basis"]
    found = world.get("/v1/profiles/SACKS-1").json()
    TypeAdapter(ProfileView).validate_python(found)
    kept = {name: found["audit"][name] for name in ("matches", "selected", "inspected", "hits")}
    assert kept == {"matches": 1, "selected": 1, "inspected": 1, "hits": 1}
    assert found["audit"]["minutes"] == 50
    assert found["outcome"]["gravity"] == 5.0
    seizure = {"seizure_id": "s-sacks", "substance_class": "narcotic", "quantity_g": 2000}
    seizure |= {"crossing_id": red["crossing_id"], "recorded_at": act["recorded_at"]}
    assert world.post("/v1/seizures", seizure).status_code == 201
    audits = [world.get(f"/v1/profiles{path}").json() for path in ("/SACKS-1", "")]
    both = audits[0], audits[1]["profiles"][0]
    assert [one["outcome"]["gravity"] for one in both] == [20.0, 20.0]
    everything = world.get("/v1/profiles", Role.ANALYST).json()
    TypeAdapter(Profiles).validate_python(everything)
    assert [p["author"] for p in everything["profiles"]] == [found["author"]]


def test_a_user_and_the_keys_of_that_user_are_one_person(world: World, people: People) -> None:
    with pytest.raises(NotFoundError, match="user"):
        person(world, Role.SUPERVISOR, "eve")
    desk = at_desk(world, "eve")
    one, other = (person(world, Role.SUPERVISOR, "eve") for _ in range(2))
    assert send(world, "/v1/profiles", make_proposal("KEYS-1"), one).status_code == 201
    assert world.get("/v1/profiles/KEYS-1").json()["author"] == "eve"
    assert send(world, "/v1/profiles/KEYS-1/approvals", {}, other).status_code == 403
    assert (
        desk.send("/profiles/KEYS-1", "/proposals/profile/KEYS-1/approvals", {}).status_code == 403
    )
    assert send(world, "/v1/profiles/KEYS-1/approvals", {}, people["bob"]).status_code == 201


def test_the_author_approves_nothing_of_it(world: World, people: People) -> None:
    """A supervisor may propose, so that the role alone does not keep the two apart."""
    path = "/v1/profiles/OWN-1"
    send(world, "/v1/profiles", make_proposal("OWN-1"), people["bob"])
    own = send(world, f"{path}/approvals", {}, people["bob"])
    assert own.status_code == 403 and own.json()["type"] == "/problems/SecondPerson"
    assert send(world, f"{path}/approvals", {}, people["cem"]).status_code == 201
    assert send(world, f"{path}/approvals", {}, people["dil"]).status_code == 409

    gone = send(world, f"{path}/retirements", {"reason": "no finds"}, people["cem"])
    assert gone.status_code == 201 and gone.json()["state"] == "in_force"
    for who in ("bob", "cem"):  # its author, and the user who wants it retired
        assert send(world, f"{path}/approvals", {}, people[who]).status_code == 403
    assert world.get(path).json()["state"] == "in_force"
    left = send(world, f"{path}/approvals", {}, people["dil"])
    assert left.status_code == 201 and left.json()["state"] == "retired"
    assert decide_arrival(world, sacks(9320))["profiles"] in ([], ["SACKS-1"])
    assert send(world, f"{path}/retirements", {"reason": "x"}, people["cem"]).status_code == 409


def test_a_service_that_asks_for_no_second_person_is_found(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control.

    With both guards taken out, of names and of accounts, the same request by the same person goes
    through.
    """
    send(world, "/v1/profiles", make_proposal("OWN-2"), people["bob"])
    assert send(world, "/v1/profiles/OWN-2/approvals", {}, people["bob"]).status_code == 403
    guarded = dual_control.draft_approval

    def seeded_bug(
        matter: Any, now: dual_control.ApprovalState, *, by: str, shadow: bool = False
    ) -> Any:
        return guarded(matter, now, by=f"not {by}", shadow=shadow)

    monkeypatch.setattr(desk, "draft_approval", seeded_bug)
    assert send(world, "/v1/profiles/OWN-2/approvals", {}, people["bob"]).status_code == 403
    for guard in ("must_second", "must_be_two"):
        monkeypatch.setattr(Accounts, guard, lambda *_, **__: None)
    assert send(world, "/v1/profiles/OWN-2/approvals", {}, people["bob"]).status_code == 201


def test_a_shadow_counts_and_selects_nothing(world: World, people: People) -> None:
    expression = 'crossing.carrier_id == "shadowed"'
    send(world, "/v1/profiles", make_proposal("SHADE-1", expression), people["ann"])
    path = "/v1/profiles/SHADE-1/approvals"
    assert send(world, path, {"shadow": True}, people["bob"]).json()["state"] == "shadow"
    seen = [decide_arrival(world, arrival(n, carrier_id="shadowed")) for n in range(9400, 9405)]
    assert all("SHADE-1" not in one["profiles"] for one in seen)
    world.runtime.profiles.flush(read_now(world.runtime))

    def count_shadow() -> dict[str, int]:
        counted: dict[str, int] = world.get("/v1/profiles/SHADE-1").json()["audit"]["shadow"]
        return counted

    # The counts are recorded beside the decisions, some time after flush() returns.
    assert wait_for(lambda: count_shadow()["matches"] == 5, seconds=30), count_shadow()
    assert count_shadow()["arrivals"] >= 5
    assert send(world, path, {}, people["bob"]).json()["state"] == "in_force"
    assert decide_arrival(world, arrival(9407, carrier_id="shadowed"))["profiles"] == ["SHADE-1"]


def test_blue_is_reached_by_a_profile(world: World, people: People) -> None:
    into_force(
        world,
        people,
        "AUDIT-1",
        expression='crossing.carrier_id == "audited"',
        channel="blue",
    )
    channels = {
        decide_arrival(world, arrival(n, carrier_id="audited"))["channel"]
        for n in range(9500, 9520)
    }
    assert "blue" in channels and "green" not in channels


def test_a_profile_holds_at_its_post_and_in_its_time(world: World, people: People) -> None:
    expression = 'crossing.carrier_id == "elsewhere"'
    into_force(world, people, "POST-1", expression=expression, post="FOT")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    into_force(world, people, "LATER-1", expression=expression, valid_from=later)
    assert decide_arrival(world, arrival(9530, carrier_id="elsewhere"))["profiles"] == []
    assert world.get("/v1/profiles/LATER-1").json()["is_valid"] is False


def test_a_percentage_selects_about_that_share(world: World, people: People) -> None:
    expression = 'crossing.carrier_id == "halved"'
    into_force(world, people, "HALF-1", expression=expression, percentage=50)
    seen = [decide_arrival(world, arrival(n, carrier_id="halved")) for n in range(9600, 9660)]
    selected = sum("HALF-1" in one["profiles"] for one in seen)
    assert 12 <= selected <= 48  # 60 draws at a half: outside with a chance below 1e-5
    assert all(one["propensity"] >= 0.5 for one in seen)


def test_a_recorded_match_comes_out_again(world: World, people: People) -> None:
    into_force(world, people, "SACKS-1")
    into_force(world, people, "NIGHT-1", expression="features.night == 5")
    seen = decide_arrival(world, sacks(9330))
    with world.runtime.store.read() as connection:
        filed = next(
            one
            for one in list_decisions(connection, post=None, channel=None, since=0, most=5)
            if one.decision_id == seen["decision_id"]
        )
        assert world.runtime.recompute.decision(connection, filed.seq).is_identical
        body = world.runtime.journal.body(connection, filed.seq)
        matched = [m["code"] for m in body["inputs"]["matches"] if m["source"] == "profile"]
        _, features = world.runtime.recompute.features(connection, filed.seq)
        known = read_profiles(connection)
    assert "SACKS-1" in matched
    for profile in known.values():
        if is_in_force(profile):
            again = fits_again(profile, arrival_of(body), features, names=world.runtime.plan.names)
            assert again == (profile.code in matched), profile.code


def fits_again(
    profile: Profile, arrival: Any, features: dict[str, float], *, names: Sequence[str]
) -> bool:
    """Tell whether a profile fits an arrival of the past, from its record and its features."""
    made = program(profile.proposed.expression, features=tuple(names))
    reader = Reader(made.needs, {name: place for place, name in enumerate(names)})
    row = [features[name] for name in names]
    return made.fits(context(reader.values(arrival.crossing, arrival.declaration, row)))


def is_in_force(profile: Profile) -> bool:
    posts = (None, "OYB")
    in_force = profile.standing.state == "in_force" and profile.proposed.post in posts
    return in_force and profile.proposed.valid_from is None


def arrival_of(body: dict[str, Any]) -> Any:
    from engine.domain.records import Arrival

    return Arrival.model_validate(body["arrival"], strict=False)


def test_a_profile_that_fails_fits_nothing_and_is_reported(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    expression = 'crossing.carrier_id == "faulty"'
    into_force(world, people, "FAULT-1", expression=expression)
    assert decide_arrival(world, arrival(9700, carrier_id="faulty"))["profiles"] == ["FAULT-1"]

    def broken(values: Any) -> bool:
        raise ValueError("faulty")

    one = next(o for o in world.runtime.profiles._compiled if o.profile.code == "FAULT-1")

    class Broken:
        execute = staticmethod(broken)

    program = one.at("")
    monkeypatch.setattr(type(program), "fits", _once_broken(program, Broken()))
    assert decide_arrival(world, arrival(9701, carrier_id="faulty"))["profiles"] == []
    assert "darvoza_profile_failures_total 1.0" in world.client.get("/metrics").text


def _once_broken(target: Any, broken: Any) -> Any:
    """Return the method of all programs, broken for one of them: they are frozen."""
    fits = type(target).fits

    def method(self: Any, values: Any) -> bool:
        made = type(target)(self.needs, self.steps, broken if self is target else self.compiled)
        return bool(fits(made, values))

    return method


REFUSED: tuple[dict[str, Any], ...] = (
    {"expression": "features.nite == 1"},
    {"expression": "goods.exists(g, goods.exists(h, h.item_no == g.item_no))"},
    {"expression": "(" * 1500},
    {"channel": "green"},
    {"percentage": 0},
    {"percentage": 101},
    {"code": "lower case"},
    {"post": "NOPE"},
    {"valid_until": "2020-01-01T00:00:00Z"},
    {"valid_until": "2099-01-01T00:00:00Z"},
    {"selects": "all"},
)


def test_what_may_not_run_is_not_recorded(world: World, people: People) -> None:
    for change in REFUSED:  # in one service: each would find it as the one before it did
        refused = send(world, "/v1/profiles", make_proposal("BAD-1") | change, people["ann"])
        assert refused.status_code == 422, (change, refused.text)
        assert "nite" not in refused.text
        assert world.get("/v1/profiles/BAD-1").status_code == 404
    assert send(world, "/v1/profiles", make_proposal("BAD-1"), people["ann"]).status_code == 201


def test_a_refusal_says_where(world: World, people: People) -> None:
    body = make_proposal("BAD-2", "features.night == 1 && features.nite == 1")
    refused = send(world, "/v1/profiles", body, people["ann"]).json()
    assert "position 24" in refused["detail"] and "night" in refused["detail"]
    (field,) = refused["fields"]
    assert (field["at"], field["message"]) == ("expression", "unknown_feature_near")
    assert field["position"] == 24 and "night" in field["parameters"]["names"]


def test_other_content_under_a_code_conflicts(world: World, people: People) -> None:
    send(world, "/v1/profiles", make_proposal("ONCE-1"), people["ann"])
    other = send(world, "/v1/profiles", make_proposal("ONCE-1", percentage=5), people["ann"])
    assert other.status_code == 409


def test_a_key_names_an_approval(world: World, people: People) -> None:
    send(world, "/v1/profiles", make_proposal("KEY-1"), people["ann"])
    path, key = "/v1/profiles/KEY-1/approvals", {"Idempotency-Key": "k-1"}
    first = send(world, path, {}, people["bob"], **key)
    again = send(world, path, {}, people["bob"], **key)
    assert first.status_code == 201 and again.content == first.content


def test_no_approval_before_a_backtest(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.errors import BusyError

    def busy(*_: object, **__: object) -> None:
        raise BusyError("another backtest is under way")

    with monkeypatch.context() as patched:
        patched.setattr(Backtests, "run", busy)
        made = send(world, "/v1/profiles", make_proposal("BUSY-1"), people["ann"])
        assert made.status_code == 201 and made.json()["backtest"] is None
        again = send(world, "/v1/profiles/BUSY-1/backtests", {}, people["ann"])
        assert again.status_code == 503 and int(again.headers["retry-after"]) > 0
    path = "/v1/profiles/BUSY-1"
    assert send(world, f"{path}/approvals", {}, people["bob"]).status_code == 409
    attached = send(world, f"{path}/backtests", {"days": 30}, people["ann"])
    assert attached.status_code == 201 and attached.json()["backtest"]["days"] <= 30
    assert send(world, f"{path}/approvals", {}, people["bob"]).status_code == 201


def test_profiles_together_stay_bearable(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.criteria.profiles import profile as module

    into_force(world, people, "SACKS-1")
    send(world, "/v1/profiles", make_proposal("MANY-1", "features.night == 1"), people["ann"])
    path = "/v1/profiles/MANY-1/approvals"
    with monkeypatch.context() as patched:
        patched.setattr(module, "MOST_STEPS", 1)  # less than the one in force takes already
        refused = send(world, path, {}, people["bob"])
        assert refused.status_code == 409 and "steps" in refused.json()["detail"]
    assert send(world, path, {}, people["bob"]).status_code == 201
