"""Named lists: one proposal of many rows, faulty rows by a person's word, renewed together."""

import csv
import io
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import TypeAdapter

from api.audit.erasure import export_subject
from api.auth.accounts import Accounts
from api.criteria.named_lists import ListCheck, NamedLists, WatchRows
from engine.domain.rights import Role
from tests.support.people import at_desk, desk_of, person, send
from tests.support.running_service import CHEAP, World, arrival
from tests.unit.service.reports.test_acts import act
from tests.unit.service.watchlist.test_watchlist import ahead, decide_arrival

PATH = "/v1/watchlist/lists"
People = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def people(world: World) -> People:
    roles = {"ann": Role.ANALYST, "bob": Role.SUPERVISOR, "cem": Role.SUPERVISOR}
    return {name: person(world, role) for name, role in roles.items()}


def make_list(text: str, **terms: Any) -> dict[str, Any]:
    about = {"list": "Spring", "owner": "Analysis", "reason": "three sources", "expiry": ahead(60)}
    return about | {"lines": text} | terms


def propose_list(world: World, people: People, text: str, **terms: Any) -> str:
    answer = send(world, PATH, make_list(text, **terms), people["ann"])
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def approve(world: World, people: People, entry_id: str, by: str = "bob") -> Any:
    return send(world, f"/v1/watchlist/{entry_id}/approvals", {}, people[by])


def put_list(world: World, people: People, text: str, **terms: Any) -> str:
    entry_id = propose_list(world, people, text, **terms)
    assert approve(world, people, entry_id).status_code == 201
    return entry_id


def is_listed(world: World, number: int, plate: str) -> bool:
    return bool(decide_arrival(world, number, plate=plate)["watchlist"])


def list_named(world: World, number: int, plate: str) -> list[str]:
    """Return the entries that a new arrival's reasons name."""
    seen = decide_arrival(world, number, plate=plate)
    return [one["parameters"]["entry"] for one in seen["reasons"] if one["code"] == "watchlist"]


def write_file(rows: int, faulty: int, tag: str) -> str:
    """Return a file of so many rows, the last of which are faulty in turn."""
    bad = ("=1+1", "N/A", "A" * 65, f"{tag} 0000")
    plates = [f"{tag} {number:04}" for number in range(rows - faulty)]
    return "plate\n" + "\n".join([*plates, *(bad[n % 4] for n in range(faulty))]) + "\n"


def test_two_thousand_rows_with_forty_faults_are_one_proposal(world: World, people: People) -> None:
    text = write_file(2_000, 40, "70K")
    found = send(world, f"{PATH}/checks", make_list(text), people["ann"]).json()
    TypeAdapter(ListCheck).validate_python(found)
    assert (found["rows"], found["faulty"], len(found["faults"])) == (1_960, 40, 40)
    assert [one["line"] for one in found["faults"]] == list(range(1_962, 2_002))
    refused = send(world, PATH, make_list(text), people["ann"])
    assert refused.status_code == 422 and "40 rows are faulty" in refused.json()["detail"]
    assert "=1+1" not in refused.text
    before = world.get("/v1/proposals?state=waiting", Role.SUPERVISOR).json()["proposals"]
    entry_id = propose_list(world, people, text, faulty_rows="leave_out")
    after = world.get("/v1/proposals?state=waiting", Role.SUPERVISOR).json()["proposals"]
    assert [one["id"] for one in after[len(before) :]] == [entry_id]
    assert not is_listed(world, 7001, "70K0001")
    assert approve(world, people, entry_id, by="ann").status_code == 403
    assert approve(world, people, entry_id).json()["state"] == "in_force"
    assert is_listed(world, 7002, "70 k-0001") and is_listed(world, 7003, "70K1959")
    assert not is_listed(world, 7004, "70K1960")
    seen = world.get(f"/v1/watchlist/{entry_id}").json()
    assert (seen["rows"], seen["left_out"], seen["list"], seen["names"]) == (
        1_960,
        40,
        "Spring",
        {},
    )
    rows = world.get(f"/v1/watchlist/{entry_id}/rows").json()
    TypeAdapter(WatchRows).validate_python(rows)
    assert len(rows["rows"]) == 1_960


def test_a_list_is_renewed_and_retired_as_a_whole(world: World, people: People) -> None:
    entry_id = put_list(world, people, write_file(50, 0, "71K"))
    renewals = f"/v1/watchlist/{entry_id}/renewals"
    answer = send(world, renewals, {"expiry": ahead(90)}, people["ann"])
    assert answer.status_code == 201, answer.text
    later = answer.json()["id"]
    assert list_named(world, 7101, "71K0007") == [entry_id]  # the renewal waits for a second person
    assert approve(world, people, later, by="cem").status_code == 201
    assert list_named(world, 7102, "71K0007") == [later]
    assert world.get(f"/v1/watchlist/{entry_id}").json()["state"] == "retired"
    assert world.get(f"/v1/watchlist/{later}").json()["instead_of"] == entry_id
    again = send(world, renewals, {"expiry": ahead(90)}, people["ann"])
    assert again.status_code == 409  # what was renewed cannot be renewed beside its renewal
    path = f"/v1/watchlist/{later}/retirements"
    assert send(world, path, {"reason": "over"}, people["ann"]).status_code == 201
    assert approve(world, people, later).status_code == 201
    assert not is_listed(world, 7103, "71K0007")


def test_a_file_takes_the_place_of_a_list(world: World, people: People) -> None:
    entry_id = put_list(world, people, "72K0001\n72K0002\n", kind="plate")
    put_list(world, people, "72K0002\n72K0003\n", kind="plate", instead_of=entry_id)
    listed = [is_listed(world, 7200 + n, f"72K000{n}") for n in (1, 2, 3)]
    assert listed == [False, True, True]


def test_a_renewal_of_what_ended_meanwhile_is_not_approved(world: World, people: People) -> None:
    entry_id = put_list(world, people, "73K0001\n", kind="plate")
    renewals = f"/v1/watchlist/{entry_id}/renewals"
    later = send(world, renewals, {"expiry": ahead(90)}, people["ann"]).json()["id"]
    path = f"/v1/watchlist/{entry_id}/retirements"
    assert send(world, path, {"reason": "over"}, people["ann"]).status_code == 201
    assert approve(world, people, entry_id).status_code == 201
    assert approve(world, people, later).status_code == 409
    assert not is_listed(world, 7301, "73K0001")


def test_a_single_entry_is_no_list(world: World, people: People) -> None:
    body = {"plate": "74K0001", "reason": "x", "expiry": ahead(3)}
    single = send(world, "/v1/watchlist", body, people["ann"]).json()["id"]
    answer = send(world, f"/v1/watchlist/{single}/renewals", {"expiry": ahead(9)}, people["ann"])
    assert answer.status_code == 409
    unknown = send(world, "/v1/watchlist/watch-0/renewals", {"expiry": ahead(9)}, people["ann"])
    assert unknown.status_code == 404


def test_an_export_of_a_subject_holds_no_other_row(world: World, people: People) -> None:
    put_list(world, people, "81K0001\n81K0002\n", kind="plate", list="Two")
    accounts = Accounts(world.runtime.store, world.runtime.network)
    with patch("api.auth.credentials._HASHER", CHEAP):
        accounts.create_user("olga", Role.ADMINISTRATOR)
    caller = desk_of(world.runtime, "olga").caller
    records = export_subject(world.runtime, caller, "81 k 0001")["records"]
    (proposed,) = (one for one in records if one["kind"] == "watchlist_proposed")
    assert [row["plate"] for row in proposed["body"]["content"]["rows"]] == ["81K0001"]
    assert "81K0002" not in str(records)


def test_a_reason_names_the_list_its_grades_and_the_row(world: World, people: People) -> None:
    terms = {"list": "Graded", "source_grade": "B", "information_grade": "2", "handling": ["H1"]}
    put_list(world, people, "plate,reason\n80K0001,seen at night\n80K0002,\n", **terms)
    for number, reason in ((1, "seen at night"), (2, "three sources")):
        seen = decide_arrival(world, 8000 + number, plate=f"80K000{number}")
        (said,) = (one for one in seen["reasons"] if one["code"] == "watchlist")
        assert said["parameters"]["reason"] == f"Graded (B2, H1): {reason}"
        assert said["parameters"]["identifiers"] == {"plate": f"80K000{number}"}
        assert f"Graded (B2, H1): {reason}" in said["text"]


def test_a_list_says_what_it_did(world: World, people: People) -> None:
    name = {"list": "What it did"}
    put_list(world, people, "75K0001\n75K0002\n", kind="plate", **name)
    body = {"plate": "75K0003", "reason": "x", "expiry": ahead(3)} | name
    single = send(world, "/v1/watchlist", body, people["ann"]).json()["id"]
    approve(world, people, single)
    for number in (1, 2, 3):
        assert is_listed(world, 7500 + number, f"75K000{number}")
    crossing = arrival(7501)["crossing"]["crossing_id"]
    filed = world.post("/v1/inspections", act(7501, crossing, outcome="seizure", minutes=30))
    assert filed.status_code == 201, filed.text
    lists = world.get(PATH, Role.ANALYST).json()
    TypeAdapter(NamedLists).validate_python(lists)
    (one,) = (each for each in lists["lists"] if each["list"] == "What it did")
    figures = {key: one[key] for key in ("in_force", "matches", "searches", "finds", "minutes")}
    assert figures == {"in_force": 3, "matches": 3, "searches": 1, "finds": 1, "minutes": 30.0}
    assert one["last_match"] is not None


def test_terms_are_checked(world: World, people: People) -> None:
    for terms, rule in (
        ({"source_grade": "G"}, "unknown_enumeration"),
        ({"gravity": "grave"}, "unknown_enumeration"),
        ({"handling": ["H2"], "is_shareable": True}, "kept_back"),
        ({"expiry": ahead(400)}, "expiry"),
        ({"owner": ""}, "too_short"),
        ({"kind": "colour"}, "unknown_enumeration"),
    ):
        answer = send(world, PATH, make_list("plate\n76K0001\n") | terms, people["ann"])
        assert answer.status_code == 422, (terms, answer.text)
        assert rule in answer.text


def test_too_many_rows_are_refused_by_the_stated_limit(world: World, people: People) -> None:
    many = "\n".join(f"{number}A" for number in range(100_000))
    for path in (PATH, f"{PATH}/checks"):
        answer = send(world, path, make_list(many, kind="plate"), people["ann"])
        assert answer.status_code == 422 and "5,000 rows" in answer.text
        long = send(world, path, make_list(many * 2, kind="plate"), people["ann"])
        assert long.status_code == 413


def test_rows_leave_as_csv_that_runs_nothing(world: World, people: People) -> None:
    body = {"plate": "77K0001", "reason": "=cmd|' /C calc'!A0", "expiry": ahead(3), "list": "+1"}
    assert send(world, "/v1/watchlist", body, people["ann"]).status_code == 201
    for path in ("/v1/watchlist", PATH):
        answer = world.client.get(path, headers=people["ann"] | {"Accept": "text/csv"})
        cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_a_list_is_checked_proposed_and_renewed_by_page(world: World, people: People) -> None:
    desk = at_desk(world, "lola")
    fields = {"list": "By page", "owner": "Analysis", "reason": "x", "once": "b" * 24}
    fields |= {
        "expiry": ahead(30)[:10],
        "lines": "plate;note\r\n79K0001;a\r\n=1;b\r\n79K0002;c\r\n",
    }
    lines = "plate,look_alikes\n" + "01A,yes\n" * 30 + "02B,1\n"
    alone = desk.send("/watchlist/lists", "/watchlist/lists/checks", {"lines": lines})
    assert alone.status_code == 200, "rows are checked before anything else is filled in"
    assert alone.text.count("look_alikes</td>") == 1, "one fault of thirty lines is one row"
    checked = desk.send("/watchlist/lists", "/watchlist/lists/checks", fields)
    assert checked.status_code == 200 and 'name="faulty_rows"' in checked.text
    refused = desk.send("/watchlist/lists", "/watchlist/lists", fields)
    assert refused.status_code == 422
    assert "79K0001" in refused.text  # what was typed is kept
    unread = desk.send("/watchlist/lists", "/watchlist/lists", fields | {"lines": "colour\nred"})
    assert unread.status_code == 422
    done = desk.send("/watchlist/lists", "/watchlist/lists", fields | {"faulty_rows": "leave_out"})
    assert done.status_code == 303, done.text
    (entry,) = (
        one for one in world.get("/v1/watchlist").json()["entries"] if one["list"] == "By page"
    )
    assert (entry["rows"], entry["left_out"]) == (2, 1)
    assert approve(world, people, entry["id"]).status_code == 201
    shown = desk.get(f"/watchlist/{entry['id']}/rows")
    assert shown.status_code == 200 and "79K0002" in shown.text
    renewal = {"once": "c" * 24, "expiry": ahead(90)[:10]}
    again = desk.send("/watchlist", f"/watchlist/{entry['id']}/renewals", renewal)
    assert again.status_code == 303, again.text
    assert "By page" in desk.get("/watchlist").text
