"""Sign-on by OpenID Connect against a real provider: who gets in, as what, and who does not."""

import hmac
import html
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import joserfc.jwt
import pytest
from authlib.oidc.core import CodeIDToken
from joserfc.jwt import Token
from sqlalchemy import Connection, text

from api.acts.corrections import correct_seizure
from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.callers import Caller
from api.auth.oidc_mapping import Grant, MappingHistory, OidcMapping
from api.auth.sessions import COOKIE
from api.cases.steps import CaseWriter
from api.decisions.readers import DecisionReader
from api.integrity import read_integrity_report
from api.models.steps import ModelSteps
from api.oidc import attempts, provider, sign_on
from api.oidc import page as sign_on_page
from api.oidc.sign_on import CLIENT_FILE, SUBJECTS_FILE
from engine.cases.case_events import Agreement, CaseEvent, CaseOpening, ControlledDelivery
from engine.domain.records import Seizure
from engine.domain.rights import Matter, Role
from engine.errors import (
    ConflictError,
    LapsedProposalError,
    NotAllowedError,
    NotFoundError,
    RecordError,
    SecondPersonError,
)
from engine.journal.idempotency import claim, seizure_name
from engine.journal.kinds import OIDC_GRANTED, RELEASE, REVIEW, SEIZURE
from engine.queue.corrections import SeizureCorrection
from engine.queue.reviews import Review, Reviewer
from engine.selection import Handling
from engine.targeting.report_writer import Release
from tests.integration.service.auth.approved_mapping import (
    mapping_of,
    put_into_force,
    trust_provider,
)
from tests.integration.service.auth.provider_process import IdentityProvider
from tests.support.people import Desk, at_desk, user
from tests.support.running_service import POST, World, serving
from tests.unit.service.reports.test_acts import find

pytestmark = pytest.mark.machine_clock

HERE = "http://localhost"
QUEUE = f"/v1/posts/{POST}/queue"
PAGE = f"/posts/{POST}/queue"
TOKEN = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.")
"""A token as it travels; the three letters that it begins with stand in random bytes as well."""


def sign_on_of(world: World) -> Any:
    return world.runtime.sign_on


@pytest.fixture(scope="module")
def trust(
    tmp_path_factory: pytest.TempPathFactory, identity_provider: IdentityProvider
) -> Iterator[tuple[World, IdentityProvider]]:
    """Serve a home that trusts the provider."""
    for world in serving(tmp_path_factory.mktemp("home")):
        trust_provider(world.runtime, identity_provider, HERE)
        yield world, identity_provider


@pytest.fixture
def idp(trust: tuple[World, IdentityProvider]) -> IdentityProvider:
    trust[1].control(service=[HERE])
    return trust[1]


@pytest.fixture
def world(trust: tuple[World, IdentityProvider]) -> World:
    return trust[0]


def begin(desk: Desk, wanted: str = "/") -> str:
    answer = desk.client.get("/login/oidc", params={"next": wanted})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(
    world: World, idp: IdentityProvider, person: str, wanted: str = "/"
) -> tuple[Any, Desk]:
    """Return the answer to a person who was at the provider, and their desk."""
    desk = Desk(world)
    return desk.get(idp.sign_on(begin(desk, wanted), person)), desk


def signed_on(world: World, idp: IdentityProvider, person: str) -> Desk:
    answer, desk = come_back(world, idp, person)
    assert answer.status_code == 200, answer.text
    return desk


def records(world: World, kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    query = text(
        "SELECT j.subject, j.post, b.body FROM journal j JOIN journal_bodies b USING (seq)"
        " WHERE j.kind = :kind ORDER BY j.seq"
    )
    with world.runtime.store.read() as connection:
        return [(s, p, json.loads(b)) for s, p, b in connection.execute(query, {"kind": kind})]


def test_a_person_signs_on_with_what_the_groups_grant(world: World, idp: IdentityProvider) -> None:
    answer, desk = come_back(world, idp, "sam", "/posts/OYB/queue")
    assert 'content="0;url=/posts/OYB/queue"' in answer.text
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(COOKIE))
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert desk.get(QUEUE).status_code == 200
    assert desk.get("/v1/posts/FOT/queue").status_code == 403, "one post alone"
    name, _, begun = records(world, "signed_in")[-1]
    assert name.startswith("oidc-") and begun["role"] == "supervisor"
    granted = [(post, body) for one, post, body in records(world, "oidc_granted") if one == name]
    assert [(post, body["role"], body["rules"]) for post, body in granted[-1:]] == [
        (POST, "supervisor", [0, 0, None])
    ]
    assert begun["oidc"]["mapping"] == granted[-1][1]["mapping"]
    assert name in desk.get(PAGE).text, "the page names the account, and no person"


def test_a_provider_is_asked_for_no_more_than_the_scope(world: World) -> None:
    asked = parse_qs(urlsplit(begin(Desk(world))).query)
    assert asked["scope"] == ["openid groups"]
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert {"state", "nonce", "code_challenge"} <= asked.keys()


def test_no_name_and_no_address_of_a_person_is_kept(
    world: World, idp: IdentityProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    """The provider puts both into its tokens, asked or not."""
    answer, desk = come_back(world, idp, "sara")
    shown = answer.text + desk.get(PAGE).text + "".join(desk.client.cookies.values())
    kept = b"".join(one.read_bytes() for one in world.home.root.rglob("*") if one.is_file())
    kept += (shown + "".join(capfd.readouterr())).encode()
    assert b"oidc_granted" in kept
    for personal in (b"Gulnora", b"Karimova", b"example.org"):
        assert personal not in kept
    assert not TOKEN.search(kept) and TOKEN.search(b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln")


BENT: dict[str, dict[str, Any]] = {
    "forged signature": {"is_forged": True},
    "no signature": {"header": {"alg": "none"}},
    "public key as a secret": {"header": {"alg": "HS256"}},
    "unknown key": {"header": {"kid": "another"}},
    "no key named by a bent header": {"header": {"kid": 7}},
    "another audience": {"claims": {"aud": "another"}},
    "one more audience": {"claims": {"aud": ["darvoza", "another"], "azp": "darvoza"}},
    "another party": {"claims": {"azp": "another"}},
    "another issuer": {"claims": {"iss": "http://localhost:1/o"}},
    "an old nonce": {"claims": {"nonce": "0" * 64}},
    "no nonce": {"claims": {"nonce": None}},
    "expired": {"claims": {"exp": 1_700_000_000}},
    "no expiry": {"claims": {"exp": None}},
    "issued in the future": {"claims": {"iat": 4_000_000_000, "exp": 4_000_000_100}},
    "no subject": {"claims": {"sub": None}},
    "an empty subject": {"claims": {"sub": ""}},
    "a subject that is a list": {"claims": {"sub": ["1"]}},
}


@pytest.mark.parametrize("attack", BENT)
def test_a_token_that_proves_nothing_opens_nothing(
    world: World, idp: IdentityProvider, attack: str
) -> None:
    before = len(records(world, "signed_in"))
    idp.control(bent=BENT[attack])
    answer, desk = come_back(world, idp, "sam")
    assert (answer.status_code, "could not be verified" in answer.text) == (401, True)
    assert desk.get("/").headers["location"] == "/login"
    assert len(records(world, "signed_in")) == before


def _skip_check(*_: object, **__: object) -> None:
    """A check that was forgotten."""


SEEDS: dict[str, tuple[str, list[tuple[Any, str, Any]]]] = {
    "nonce not checked": ("an old nonce", [(CodeIDToken, "validate_nonce", _skip_check)]),
    "issuer not checked": (
        "another issuer",
        [(CodeIDToken.registry_cls, "validate_iss", _skip_check)],
    ),
    "audience not checked": (
        "another audience",
        [
            (CodeIDToken.registry_cls, "validate_aud", _skip_check),
            (CodeIDToken, "validate_azp", _skip_check),
            (provider, "is_for", lambda *_: True),
        ],
    ),
    "expiry not checked": (
        "expired",
        [(CodeIDToken.registry_cls, "validate_exp", _skip_check)],
    ),
    "algorithms left open": (
        "no signature",
        [(provider, "ALGORITHMS", (*provider.ALGORITHMS, "none"))],
    ),
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_check_that_is_missing_is_found(
    world: World, idp: IdentityProvider, seed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: with one check taken out its attack gets in."""
    attack, patches = SEEDS[seed]
    for owner, name, bug in patches:
        monkeypatch.setattr(owner, name, bug)
    idp.control(bent=BENT[attack])
    assert come_back(world, idp, "sam")[0].status_code == 200


def test_a_public_key_is_no_secret_because_keys_keep_their_kind(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a reader that believes the token's own algorithm lets it in."""
    idp.control(bent=BENT["public key as a secret"])
    monkeypatch.setattr(provider, "ALGORITHMS", (*provider.ALGORITHMS, "HS256"))
    assert come_back(world, idp, "sam")[0].status_code == 401

    def decode_naively(token: str, key: provider.Key, **_options: object) -> Token:
        signed, _, signature = token.rpartition(".")
        right = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
        assert right == urlsafe_b64decode(signature + "=")
        return Token(*(json.loads(urlsafe_b64decode(f"{one}==")) for one in signed.split(".")))

    monkeypatch.setattr(joserfc.jwt, "decode", decode_naively)
    assert come_back(world, idp, "sam")[0].status_code == 200


def attempt_of(desk: Desk) -> str:
    return str(desk.client.cookies[sign_on_page.COOKIE])


def keep_attempt(desk: Desk, cookie: str) -> Desk:
    desk.client.cookies.set(sign_on_page.COOKIE, cookie)
    return desk


def test_a_code_and_a_state_count_once(world: World, idp: IdentityProvider) -> None:
    desk = Desk(world)
    address = begin(desk)
    cookie = attempt_of(desk)
    path = idp.sign_on(address, "sam")
    assert desk.get(path).status_code == 200
    again = keep_attempt(Desk(world), cookie)
    assert again.get(path).status_code == 400, "the same code and state"
    assert keep_attempt(again, cookie).get(idp.sign_on(address, "sam")).status_code == 400
    desk.send(PAGE, "/logout", {})
    assert desk.get(QUEUE).status_code == 401
    assert keep_attempt(again, cookie).get(idp.sign_on(address, "sam")).status_code == 400
    other = Desk(world)
    state = parse_qs(urlsplit(begin(other)).query)["state"][0]
    code = parse_qs(urlsplit(path).query)["code"][0]
    assert other.get(f"/login/oidc/callback?code={code}&state={state}").status_code == 403


def test_a_state_that_counts_twice_is_found(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without the record of attempts a second code opens a second session."""
    monkeypatch.setattr(Authority, "is_used", lambda *_: False)
    desk = Desk(world)
    address = begin(desk)
    cookie = attempt_of(desk)
    assert desk.get(idp.sign_on(address, "sam")).status_code == 200
    again = keep_attempt(Desk(world), cookie)
    assert again.get(idp.sign_on(address, "sam")).status_code == 200


def test_the_answer_to_another_browser_opens_nothing(world: World, idp: IdentityProvider) -> None:
    """Login CSRF: a victim would work in the attacker's account; and the reverse, a stolen code."""
    attacker, victim = Desk(world), Desk(world)
    path = idp.sign_on(begin(attacker), "sara")
    assert victim.get(path).status_code == 400, "no attempt"
    state = parse_qs(urlsplit(begin(victim)).query)["state"][0]
    assert victim.get(path).status_code == 400, "another attempt"
    begun = Desk(world)
    state = parse_qs(urlsplit(begin(begun)).query)["state"][0]
    code = parse_qs(urlsplit(path).query)["code"][0]
    answer = begun.get(f"/login/oidc/callback?code={code}&state={state}")
    assert answer.status_code == 403, "the provider knows whose verifier it is"
    for bad in (f"code={code}", f"code={code}&state={state}&state={state}", "state=é", ""):
        assert Desk(world).get(f"/login/oidc/callback?{bad}").status_code == 400


def test_a_state_that_is_not_compared_is_found(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without the comparison PKCE alone stands against the attacker."""
    monkeypatch.setattr(attempts.Attempt, "fits", lambda *_, **__: True)
    attacker, victim = Desk(world), Desk(world)
    path = idp.sign_on(begin(attacker), "sara")
    begin(victim)
    assert victim.get(path).status_code == 403
    monkeypatch.setattr(attempts.Attempt, "verifier", lambda *_: "v" * 64)
    monkeypatch.setattr(attempts.Attempt, "nonce", lambda *_: "n")
    path = idp.sign_on(begin(attacker), "sara")
    begin(victim)
    assert victim.get(path).status_code == 200


def test_over_tls_an_attempt_is_of_this_host_alone(world: World) -> None:
    desk = Desk(world)
    desk.client.base_url = "https://testserver"
    cookie = desk.get("/login/oidc").headers["set-cookie"]
    assert cookie.startswith(f"{sign_on_page.HOST_COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= {*cookie.split("; ")}


def test_an_attempt_is_over_after_ten_minutes(world: World, idp: IdentityProvider) -> None:
    old = attempts.new_attempt("/", now=1_700_000_000.0)
    path = f"/login/oidc/callback?code=x&state={old.state(sign_on_of(world)._pepper)}"
    assert keep_attempt(Desk(world), old.cookie).get(path).status_code == 400
    moved = old.cookie.replace("1700000000", "4000000000")
    assert keep_attempt(Desk(world), moved).get(path).status_code == 400


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/e"],
)
def test_a_sign_on_leads_to_pages_of_ours_alone(
    world: World, idp: IdentityProvider, wanted: str
) -> None:
    answer, _ = come_back(world, idp, "sam", wanted)
    assert (answer.status_code, 'content="0;url=/"' in answer.text) == (200, True)
    desk = Desk(world)
    begin(desk)
    bent = attempts.new_attempt("https%3A%2F%2Fevil.example", now=attempts_now(desk))
    state = bent.state(sign_on_of(world)._pepper)
    nonce, verifier = (
        way(bent, sign_on_of(world)._pepper)
        for way in (attempts.Attempt.nonce, attempts.Attempt.verifier)
    )
    trust = sign_on_of(world)._trust()
    address = (
        sign_on_of(world)
        ._open(trust)
        .authorization_address(state=state, nonce=nonce, verifier=verifier)
    )
    answer = keep_attempt(Desk(world), bent.cookie).get(idp.sign_on(address, "sam"))
    assert (answer.status_code, 'content="0;url=/"' in answer.text) == (200, True)


def attempts_now(desk: Desk) -> float:
    return float(attempt_of(desk).partition(".")[0])


def test_keys_are_rotated_without_a_restart(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_on(world, idp, "sam")
    kept = sign_on_of(world)._provider
    assert kept is not None
    kept[1]._kept["keys"].at -= provider.AGAIN_SECONDS
    idp.control(rotate=True)
    signed_on(world, idp, "sam")
    monkeypatch.setattr(provider, "AGAIN_SECONDS", 600.0)  # a busy machine takes longer
    jwks = "/o/.well-known/jwks.json"
    before = idp.control(bent=BENT["unknown key"])["counts"][jwks]
    for _ in range(3):
        assert come_back(world, idp, "sam")[0].status_code == 401
    assert idp.control()["counts"][jwks] == before, "unknown keys do not make it ask again at once"


def test_a_provider_that_is_down_leaves_local_accounts_and_sessions(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ = signed_on(world, idp, "sam")
    gone = provider.Provider(
        mapping_of("http://localhost:1/o", HERE), None, seconds=1, skew=0
    )  # no one listens there
    monkeypatch.setattr(sign_on.SignOn, "_open", lambda *_: gone)
    desk = Desk(world)
    answer = desk.get("/login/oidc")
    assert answer.status_code == 503 and "does not answer" in answer.text
    password = user(world, "the-night", Role.SUPERVISOR)
    assert desk.sign_in("the-night", password).status_code == 303
    assert open_.get(QUEUE).status_code == 200
    assert open_.send(PAGE, "/logout", {}).headers["location"] == "/login"
    assert (
        'darvoza_sign_on_refused_total{kind="provider_down"}' in world.client.get("/metrics").text
    )


def people_of(world: World) -> Authority:
    with world.runtime.store.read() as connection:
        return Authority().look(connection)


def account_of(world: World, idp: IdentityProvider, person: str) -> str:
    """Return the name of a person's account, by a sign-on."""
    signed_on(world, idp, person)
    return records(world, "signed_in")[-1][0]


def test_other_groups_change_the_account_by_record(world: World, idp: IdentityProvider) -> None:
    desk, name = signed_on(world, idp, "ann"), records(world, "signed_in")[-1][0]
    assert desk.get(QUEUE).status_code == 403, "an analyst"
    before = len(records(world, "oidc_granted"))
    signed_on(world, idp, "ann")
    assert len(records(world, "oidc_granted")) == before, "nothing changed"
    idp.control(groups={"ann": ["supervisors", "every-post"]})
    signed_on(world, idp, "ann")
    assert desk.get(QUEUE).status_code == 200, "the session of before has the new role too"
    idp.control(groups={"ann": ["every-post"]})
    answer, _ = come_back(world, idp, "ann")
    assert (answer.status_code, "names no role" in answer.text) == (403, True)
    assert desk.get(QUEUE).status_code == 401, "and is over where no role is left"
    granted = [body for subject, _, body in records(world, "oidc_granted") if subject == name]
    assert [body.get("role") for body in granted] == ["analyst", "supervisor", None]
    idp.control(groups={"ann": ["analysts", "every-post"]})
    signed_on(world, idp, "ann")
    assert desk.get(PAGE).status_code == 303


def test_a_role_that_no_rule_names_is_refused(world: World, idp: IdentityProvider) -> None:
    before = len(records(world, "oidc_granted"))
    answer, desk = come_back(world, idp, "nik")
    assert (answer.status_code, "names no role" in answer.text) == (403, True)
    assert desk.get("/").headers["location"] == "/login"
    idp.control(groups={"nik": ["Supervisors", "supervisors ", "oybek"]})
    assert come_back(world, idp, "nik")[0].status_code == 403, "exact values"
    idp.control(groups={"nik": ["supervisors"]})
    answer, _ = come_back(world, idp, "nik")
    assert (answer.status_code, "names no post" in answer.text) == (403, True)
    idp.control(groups={"nik": ["cleaners"]})
    assert len(records(world, "oidc_granted")) == before


def test_a_person_who_leaves_signs_on_no_more(world: World, idp: IdentityProvider) -> None:
    idp.control(groups={"lev": ["supervisors", "oybek"]})
    desk, name = signed_on(world, idp, "lev"), records(world, "signed_in")[-1][0]
    idp.control(leaves="lev")
    assert idp.sign_on(begin(Desk(world)), "lev").startswith("/login/?next="), "at the provider"
    assert desk.get(QUEUE).status_code == 200, "until the session is over"
    Accounts(world.runtime.store, world.runtime.network).remove_user(name)
    assert desk.get(QUEUE).status_code == 401


def test_an_account_that_was_removed_here_stays_so(world: World, idp: IdentityProvider) -> None:
    idp.control(groups={"rose": ["supervisors", "oybek"]})
    name = account_of(world, idp, "rose")
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.remove_user(name)  # also while the account counts for nothing
    with pytest.raises(NotFoundError):
        accounts.remove_user(name)
    answer, _ = come_back(world, idp, "rose")
    assert (answer.status_code, "was removed here" in answer.text) == (403, True)


def test_an_account_of_the_provider_has_no_password_and_no_key(
    world: World, idp: IdentityProvider
) -> None:
    name = account_of(world, idp, "sam")
    accounts = Accounts(world.runtime.store, world.runtime.network)
    with pytest.raises(NotAllowedError, match="signs on by the identity provider"):
        accounts.change_password(name)
    with pytest.raises(NotAllowedError, match="signs on by the identity provider"):
        accounts.create_key(Role.SUPERVISOR, None, pepper=b"p" * 32, owner=name)
    assert Desk(world).sign_in(name, "").status_code == 401
    with pytest.raises(RecordError, match="reserved"):
        accounts.create_user("OIDC-0", Role.ANALYST)


def may_second(accounts: Accounts, first: str, second: str) -> bool:
    try:
        accounts.must_second(Matter.WATCHLIST, first=first, second=second)
    except (LapsedProposalError, SecondPersonError):
        return False
    return True


def test_one_human_is_no_two_people(world: World, idp: IdentityProvider) -> None:
    """A local account and one of the provider complete no step of each other before a link."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    for name in ("lola", "local"):
        user(world, name, Role.SUPERVISOR)
    idp.control(groups={"lea": ["supervisors", "every-post"]})
    sam, lea = (account_of(world, idp, person) for person in ("sam", "lea"))

    def may(first: str, second: str) -> bool:
        return may_second(accounts, first, second)

    assert may(sam, lea) and may("lola", "local")
    assert not may(sam, "lola") and not may("lola", sam)
    with pytest.raises(SecondPersonError, match="may be of one person"):
        accounts.must_second(Matter.WATCHLIST, first="lola", second=sam)
    accounts.link_subject(lea, owner="lola")
    assert not may(lea, "lola") and not may("lola", lea), "one person"
    assert may(sam, "lola") and may("lola", sam), "of another subject than this one"
    assert not may("local", sam)
    with pytest.raises(ConflictError):
        accounts.link_subject(lea, owner="local")
    for account, owner in ((sam, "unknown"), ("oidc-0", "local")):
        with pytest.raises(NotFoundError):
            accounts.link_subject(account, owner=owner)
    desk = signed_on(world, idp, "lea")
    caller = world.runtime.sessions.caller(desk.client.cookies[COOKIE])
    assert (caller.name, caller.person) == (lea, "lola")
    accounts.remove_user("lola")
    assert desk.get(QUEUE).status_code == 401, "who is removed is removed as a whole"
    assert "was removed here" in come_back(world, idp, "lea")[0].text


def test_a_link_proves_nothing_under_another_key_of_subjects(
    world: World, idp: IdentityProvider
) -> None:
    """With another key one human has another name: only who signed on since is another subject."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    user(world, "timur", Role.SUPERVISOR)
    idp.control(groups={"kim": ["supervisors", "every-post"]})
    kim, sam = account_of(world, idp, "kim"), account_of(world, idp, "sam")
    accounts.link_subject(kim, owner="timur")
    assert may_second(accounts, sam, "timur")
    key = world.home.keys / SUBJECTS_FILE
    key.write_bytes(b"another key of thirty-two bytes!")
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))
    again = account_of(world, idp, "kim")
    assert again != kim
    assert not may_second(accounts, again, "timur")
    assert not may_second(accounts, kim, "timur")


def test_a_name_under_another_key_of_subjects_is_no_second_person(
    world: World, idp: IdentityProvider
) -> None:
    """A model is approved twice: by one human, under the name before and the name since."""
    before = account_of(world, idp, "sam")
    (world.home.keys / SUBJECTS_FILE).write_bytes(b"a third key of thirty-two bytes!")
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))
    since = account_of(world, idp, "sam")
    assert since != before
    steps = ModelSteps(world.home, world.runtime.store, since)
    with pytest.raises(SecondPersonError, match="may be of one person"):
        steps._check_people(before, [])
    idp.control(groups={"kim": ["supervisors", "every-post"]})
    steps._check_people(account_of(world, idp, "kim"), [])


def test_who_trained_a_model_approves_it_under_no_other_name(
    world: World, idp: IdentityProvider
) -> None:
    user(world, "trainer", Role.ANALYST)
    sam = account_of(world, idp, "sam")
    steps = ModelSteps(world.home, world.runtime.store, sam)
    with pytest.raises(SecondPersonError, match="may be of one person"):
        steps._check_people("trainer", [])
    for trained_by in ("account:root", "key-1"):
        steps._check_people(trained_by, [])


def test_accounts_that_are_not_compared_are_found(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: by names alone one human with two accounts is two people."""
    monkeypatch.setattr(Authority, "are_two", lambda _, first, second: first != second)
    accounts = Accounts(world.runtime.store, world.runtime.network)
    user(world, "twofold", Role.SUPERVISOR)
    sam = account_of(world, idp, "sam")
    assert may_second(accounts, sam, "twofold")


def test_a_person_of_two_accounts_approves_no_watch_list_entry(
    world: World, idp: IdentityProvider
) -> None:
    """The whole way: proposed by a local account, approved on the page of a work account."""
    idp.control(groups={"rustam": ["supervisors", "every-post"]})
    expiry = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    entry = {"plate": "01 A 777 AA", "reason": "tip-off", "expiry": expiry}
    made = world.post("/v1/watchlist", entry, Role.SUPERVISOR)
    assert made.status_code == 201, made.text
    step = f"/proposals/watchlist/{made.json()['id']}/approvals"
    desk = signed_on(world, idp, "rustam")
    answer = desk.send("/watchlist", step, {})
    assert (answer.status_code, "You and the first person may be one" in answer.text) == (403, True)
    idp.control(groups={"guest": ["analysts", "every-post"]})
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.link_subject(account_of(world, idp, "guest"), owner="the-supervisor")
    assert desk.send("/watchlist", step, {}).status_code == 303


def act_twice(world: World, local: Caller, work: Caller, number: int) -> list[object]:
    """Let one human begin steps by one account, and return which are completed by the other."""
    runtime, until = world.runtime, datetime.now(UTC) + timedelta(days=3)
    opened = CaseWriter(runtime, local, None).open(CaseOpening(post=POST, summary="a find"))
    delivery = ControlledDelivery(kind="controlled_delivery", route_countries=("TJ",), until=until)
    add = CaseWriter(runtime, local, None).add
    of = add(opened.case_id, CaseEvent(event=delivery)).sequence
    agreement = CaseEvent(event=Agreement(kind="agreement", of=of))
    steps: list[Callable[[], object]] = [
        lambda: CaseWriter(runtime, work, None).add(opened.case_id, agreement)
    ]

    searched, released = (find(world, "red", number + more) for more in (0, 500))
    seized = {"seizure_id": f"s-{number}", "recorded_at": datetime.now(UTC)}
    seized |= {"crossing_id": searched["crossing_id"], "substance_class": "narcotic"}
    seizure = Seizure.model_validate(seized | {"quantity_g": 900.0}, strict=False)
    asked = claim(SEIZURE, seizure, post=POST, name=seizure_name(seizure.seizure_id))
    runtime.recording.seizure(seizure, asked, person=local.person)
    taken_back = SeizureCorrection(withdrawn=True, reason="misread")
    steps.append(lambda: correct_seizure(runtime, work, seizure.seizure_id, taken_back))

    done: list[object] = []
    for step in steps:
        try:
            done.append(bool(step()))
        except (NotAllowedError, SecondPersonError):
            done.append(False)

    release = Release(crossing_id=released["crossing_id"])
    name = f"release:{released['crossing_id']}"
    leaves = claim(RELEASE, release, post=POST, name=name)
    runtime.recording.release(release, leaves, by=Handling(local.person, None))
    review = Review(verdict="uphold", reason_code="agreed")
    known = DecisionReader(runtime, work).locate(released["decision_id"])
    word = claim(REVIEW, review, post=POST, name=f"review:{number}")
    by = Reviewer(work.person, is_person=True)
    runtime.recording.review(known, review, word, by=by, may_second=lambda _: False)
    made = read_integrity_report(runtime, POST, local, days=1).red_releases
    return [*done, *(one.second_person for one in made if one.by == local.person)]


def test_a_person_of_two_accounts_is_two_people_in_no_case_correction_or_report(
    world: World, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: names are compared."""
    user(world, "matlyuba", Role.SUPERVISOR)
    idp.control(groups={"rustam": ["supervisors", "every-post"]})
    desk = signed_on(world, idp, "rustam")
    work = world.runtime.sessions.caller(desk.client.cookies[COOKIE])
    local = replace(work, name="matlyuba")
    assert act_twice(world, local, work, 60_000) == [False, False, None]
    monkeypatch.setattr(Authority, "are_two", lambda _, first, second: first != second)
    seen = act_twice(world, local, work, 62_000)
    assert seen == [True, True, work.person, work.person]


def test_out_of_here_is_out_of_the_provider(world: World, idp: IdentityProvider) -> None:
    desk = signed_on(world, idp, "sam")
    answer = desk.send(PAGE, "/logout", {})
    address = html.unescape(answer.text.partition('content="0;url=')[2].partition('"')[0])
    assert address.startswith(f"{idp.issuer}/logout/?client_id=darvoza&post_logout_redirect_uri=")
    assert desk.get(QUEUE).status_code == 401
    local = at_desk(world, "local-only")
    assert local.send(PAGE, "/logout", {}).headers["location"] == "/login"


def test_a_new_mapping_ends_what_the_old_one_granted(world: World, idp: IdentityProvider) -> None:
    desk, name = signed_on(world, idp, "sam"), records(world, "signed_in")[-1][0]
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))
    assert desk.get(QUEUE).status_code == 401
    assert people_of(world).person(name) is None, "and what it began lapses"
    again = signed_on(world, idp, "sam")
    assert again.get(QUEUE).status_code == 200 and people_of(world).person(name) is not None
    put_into_force(world.runtime, OidcMapping())
    assert again.get(QUEUE).status_code == 401
    assert "/login/oidc" not in Desk(world).get("/login").text
    assert Desk(world).get("/login/oidc").status_code == 404
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))
    assert "/login/oidc" in Desk(world).get("/login").text


@pytest.mark.parametrize("kind", ["oidc_proposed", "oidc_approved", "oidc_granted"])
def test_an_edited_record_grants_nothing(world: World, idp: IdentityProvider, kind: str) -> None:
    desk = signed_on(world, idp, "sam")
    where = "WHERE seq = (SELECT max(seq) FROM journal WHERE kind = :kind)"
    with world.runtime.store.write() as connection:
        read = text(f"SELECT body FROM journal_bodies {where}")  # noqa: S608
        body = connection.scalar(read, {"kind": kind})
        change = text(f"UPDATE journal_bodies SET body = :body {where}")  # noqa: S608
        given = {"kind": kind, "body": bytes(body).replace(b"supervisor", b"integrity_")}
        connection.execute(change, given if given["body"] != body else given | {"body": b"{}"})
        seen = Authority(session_hours=12).look(connection)
        last = records_of(connection)
        assert seen.oidc.in_force is None or kind == "oidc_granted"
        assert seen.person(last) is None
        connection.execute(change, {"kind": kind, "body": body})
    assert desk.get(QUEUE).status_code == 200


def records_of(connection: Connection) -> str:
    query = "SELECT subject FROM journal WHERE kind = 'oidc_granted' ORDER BY seq DESC LIMIT 1"
    return str(connection.scalar(text(query)))


def test_an_edited_link_leaves_an_account_that_counts_for_nothing(
    world: World, idp: IdentityProvider
) -> None:
    """Were it ignored, the person would be two: as the owner, and as the account."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    user(world, "oybek", Role.SUPERVISOR)
    idp.control(groups={"oda": ["supervisors", "every-post"]})
    oda = account_of(world, idp, "oda")
    accounts.link_subject(oda, owner="oybek")
    where = "WHERE seq = (SELECT max(seq) FROM journal WHERE kind = 'oidc_linked')"
    with world.runtime.store.write() as connection:
        body = connection.scalar(text(f"SELECT body FROM journal_bodies {where}"))  # noqa: S608
        change = text(f"UPDATE journal_bodies SET body = :body {where}")  # noqa: S608
        connection.execute(change, {"body": bytes(body).replace(b"oybek", b"olmas")})
        seen = Authority().look(connection)
        assert seen.person(oda) is None and not seen.are_two(oda, "oybek")
        connection.execute(change, {"body": body})
    assert people_of(world).human(oda) == "oybek"


def test_a_grant_that_its_rules_do_not_bear_out_grants_nothing(world: World) -> None:
    """Who may write to the journal as the service does still grants by the mapping alone."""
    sequence = people_of(world).oidc.sequence
    body: dict[str, Any] = {"mapping": sequence, "rules": [1, 1, None], "role": "administrator"}
    bodies: list[dict[str, Any]] = [{}, {"role": "analyst"}, {"rules": [9, 1, None]}]
    for number, more in enumerate(bodies):
        draft = OIDC_GRANTED.draft(f"oidc-{number}", cast("Any", body | more))
        world.runtime.writer.submit(draft).result()
    found = [people_of(world).person(f"oidc-{number}") for number in range(3)]
    assert [one and one.role for one in found] == [None, Role.ANALYST, None]


def test_other_secrets_than_those_approved_are_refused(world: World, idp: IdentityProvider) -> None:
    key = world.home.keys / SUBJECTS_FILE
    kept = key.read_bytes()
    key.write_bytes(kept[1:] + kept[:1])
    answer = Desk(world).get("/login/oidc")
    key.write_bytes(kept)
    assert (answer.status_code, "not set up correctly" in answer.text) == (503, True)
    secret = world.home.keys / CLIENT_FILE
    secret.chmod(0o640)
    answer = Desk(world).get("/login/oidc")
    secret.chmod(0o600)
    assert answer.status_code == 503
    secret.write_text("another", "ascii")
    answer, _ = come_back(world, idp, "sam")
    secret.write_text(idp.secret, "ascii")
    assert answer.status_code == 403, "the provider does not know this client"


def test_grants_that_are_believed_by_their_word_are_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a replay that takes the role of the record and not of its rules."""

    def believe(_: MappingHistory, body: dict[str, Any]) -> Grant | None:
        return Grant(Role(body["role"]), None, None) if "role" in body else None

    monkeypatch.setattr(MappingHistory, "grant", believe)
    body: dict[str, Any] = {"mapping": 0, "rules": [9, 9, 9], "role": "administrator"}
    world.runtime.writer.submit(OIDC_GRANTED.draft("oidc-believed", cast("Any", body))).result()
    found = people_of(world).subject("oidc-believed")
    assert found is not None and found.role is Role.ADMINISTRATOR


def test_an_agency_comes_from_claims_where_rules_name_any(
    world: World, idp: IdentityProvider
) -> None:
    customs = {"claim": "groups", "value": "customs", "agency": "customs"}
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE, agencies=[customs]))
    desk = signed_on(world, idp, "sara")
    caller = world.runtime.sessions.caller(desk.client.cookies[COOKIE])
    assert (caller.agency, caller.post) == ("customs", None)
    answer, _ = come_back(world, idp, "sam")
    assert (answer.status_code, "names no agency" in answer.text) == (403, True)
    put_into_force(world.runtime, mapping_of(idp.issuer, HERE))


def test_people_who_wait_for_the_provider_keep_no_local_account_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.runtime.executors.oidc, "_taken", 99)
    answer = Desk(world).get("/login/oidc")
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)
    at_desk(world, "in-a-hurry")
