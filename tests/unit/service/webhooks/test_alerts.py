"""Mails and pushes about events: they arrive, are tried again, and say not a word too much."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from api.auth.accounts import Accounts
from api.notifications.event_bodies import types_for
from api.service.settings import Settings
from api.webhooks import alerts
from api.webhooks.alerts import PASSWORD_FILE, TOKEN_FILE
from api.webhooks.delivery import DeliveryWorker, open_sender
from engine.domain.rights import Role
from engine.storage.home import read_secret
from experiments.support.tls_line import make_certificate
from tests.support.people import person, send
from tests.support.running_service import POST, World, arrival
from tests.unit.api.webhooks.webhook_receiver import Receiver
from tests.unit.service.reports.test_acts import find
from tests.unit.service.webhooks.mail_server import MailReceiver

NUMBERS, STARTS = count(81_000), count(151_000, 500)
PLATE, GOODS, FIRM = "CANARY8", "canary goods", "canary-firm"


@pytest.fixture(scope="module")
def mails() -> Iterator[MailReceiver]:
    receiver = MailReceiver()
    with receiver.listen():
        yield receiver


@pytest.fixture(scope="module")
def pushes() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.listen():
        yield receiver


@pytest.fixture
def reached(
    world: World, mails: MailReceiver, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DeliveryWorker]:
    """Return a worker of a service that has a mail server; nothing was sent before."""
    settings = world.runtime.settings.model_copy(
        update={
            "webhook_networks": "127.0.0.0/8",
            "address": "https://darvoza.example.org",
            "smtp_host": "127.0.0.1",
            "smtp_port": mails.port,
            "smtp_security": "none",
            "smtp_user": "darvoza",
            "smtp_from": "darvoza@example.org",
        }
    )
    monkeypatch.setattr(world.runtime, "settings", settings)
    monkeypatch.setattr(DeliveryWorker, "_begin", lambda *_: None)  # the service's own rests
    (world.home.keys / PASSWORD_FILE).unlink(missing_ok=True)
    read_secret(world.home.keys / PASSWORD_FILE, lambda: b"open-sesame")
    mails.mails.clear()
    mails.users.clear()
    mails.answer = lambda _: None
    worker = DeliveryWorker(world.runtime)
    yield worker
    for one in world.get("/v1/webhooks", Role.ADMINISTRATOR).json()["webhooks"]:
        if one["state"] != "ended":
            path = f"/v1/webhooks/{one['webhook_id']}"
            world.client.delete(path, headers=world.headers(Role.ADMINISTRATOR))
    worker.close()


def register(world: World, url: str, role: Role = Role.SUPERVISOR, **more: Any) -> str:
    post = {"post": POST} if role in (Role.CHECKPOINT, Role.COUNTERPART) else {}
    body = {"url": url, "events": types_for(role), "role": role.value} | post | more
    made = world.post("/v1/webhooks", body, Role.ADMINISTRATOR)
    assert made.status_code == 201, made.text
    return str(made.json()["webhook_id"])


def let_much_happen(world: World) -> list[str]:
    """Let a vehicle with canaries be named by the watch list, given away, and overridden.

    Returns identifiers that no message holds.
    """
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    plate = f"{PLATE}{next(NUMBERS)}"
    entry = {"plate": plate, "reason": "canary reason", "expiry": until}
    made = send(world, "/v1/watchlist", entry, ann).json()["id"]
    assert send(world, f"/v1/watchlist/{made}/approvals", {}, bob).status_code == 201
    body = arrival(next(NUMBERS), plate=plate, carrier_id=FIRM)
    item = {"item_no": 1, "hs_code": "080620", "description": GOODS, "net_mass_kg": 500.0}
    papers = {"declaration_id": f"canary-{next(NUMBERS)}", "procedure": "import", "items": [item]}
    decided = world.decide(body | {"declaration": papers | {"consignee_id": FIRM}})
    assert decided.status_code == 201, decided.text
    crossing = decided.json()["crossing_id"]
    path = f"/v1/crossings/{crossing}"
    name = f"night-{next(NUMBERS)}"
    Accounts(world.runtime.store, world.runtime.network).create_user(name, Role.SUPERVISOR)
    given = world.post(f"{path}/assignments", {"to": name}, Role.SUPERVISOR)
    assert given.status_code == 201, given.text
    review = {"verdict": "override", "channel": "yellow", "reason_code": "other", "reason": "x"}
    reviewed = f"/v1/decisions/{decided.json()['decision_id']}/reviews"
    assert send(world, reviewed, review, bob).status_code == 201
    opening = {"post": POST, "summary": GOODS, "quantity_g": 1234.5, "substance": "heroin"}
    assert send(world, "/v1/cases", opening, bob).status_code == 201
    assert world.post(f"{path}/release", {}).status_code == 201
    return [made, name, crossing]


def test_a_mail_says_what_kind_of_thing_happened_and_leads_to_its_page(
    world: World, reached: DeliveryWorker, mails: MailReceiver
) -> None:
    register(world, "mailto:night@example.org", events=["vehicle.given"], language="ru")
    let_much_happen(world)
    reached.deliver()
    (mail,) = mails.mails
    assert (mail["To"], mail["From"]) == ("night@example.org", "darvoza@example.org")
    assert mail["Subject"] == "Darvoza: автомобиль передан сотруднику"
    text = mail.get_content()
    assert f"\n{POST}\n" in text and "https://darvoza.example.org/decisions/dec-" in text
    assert mail["Message-ID"].startswith("<evt_") and mail["Auto-Submitted"] == "auto-generated"
    assert mails.users == ["darvoza open-sesame"]
    reached.deliver()
    assert len(mails.mails) == 1, "once it is taken"


def list_canaries(texts: list[str], role: Role, *named: str) -> list[str]:
    """Return what such messages must not hold for any role, and of approvals for this one."""
    words = [PLATE, GOODS, FIRM, "canary", "080620", "heroin", "1234", "yellow", "red", "risk"]
    words += ["p_seizure", "propensity", "reason", "жёлтый", "красный", *named]
    if role is Role.CHECKPOINT:
        words += ["watch-list", "approval", "override"]
    return [word for word in words for text in texts if word in text]


@pytest.mark.parametrize("role", [role for role in Role if types_for(role)])
def test_no_message_says_a_word_too_much(
    world: World, reached: DeliveryWorker, mails: MailReceiver, pushes: Receiver, role: Role
) -> None:
    pushes.tried.clear()
    register(world, "mailto:night@example.org", role)
    register(world, f"push+http://127.0.0.1:{pushes.port}/topic", role)
    named = let_much_happen(world)
    reached.deliver()
    texts = [f"{one['Subject']}\n{one.get_content()}" for one in mails.mails]
    texts += [one.text for one in pushes.tried]
    if role in (Role.CHECKPOINT, Role.SUPERVISOR):
        assert len(texts) >= 4, "what it may see did arrive"
    assert list_canaries(texts, role, *named) == []


def test_a_message_that_tells_all_its_body_has_is_found(
    world: World,
    reached: DeliveryWorker,
    mails: MailReceiver,
    pushes: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: the whole body of the event is the text."""
    write = alerts.write_alert

    def tell_all(service: Any, endpoint: Any, body: Any) -> alerts.Alert:
        return replace(write(service, endpoint, body), text=json.dumps(body))

    monkeypatch.setattr("api.webhooks.delivery.write_alert", tell_all)
    with pytest.raises(AssertionError):
        test_no_message_says_a_word_too_much(world, reached, mails, pushes, Role.SUPERVISOR)


def test_a_push_has_a_title_a_link_and_the_token_of_the_gateway(
    world: World, reached: DeliveryWorker, pushes: Receiver
) -> None:
    pushes.tried.clear()
    (world.home.keys / TOKEN_FILE).unlink(missing_ok=True)
    read_secret(world.home.keys / TOKEN_FILE, lambda: b"tk_123")
    url = f"push+http://127.0.0.1:{pushes.port}/topic"
    register(world, url, events=["vehicle.given"], language="tg")
    let_much_happen(world)
    reached.deliver()
    (push,) = pushes.tried
    title = str(make_header(decode_header(push.headers["title"])))
    assert title == "Darvoza: воситаи нақлиёт ба корманд супорида шуд"
    assert push.headers["authorization"] == "Bearer tk_123"
    assert push.headers["click"].startswith("https://darvoza.example.org/decisions/")
    assert push.headers["content-type"].startswith("text/plain")
    assert "webhook-signature" not in push.headers


@pytest.mark.parametrize(
    ("line", "said", "result"),
    [("RCPT", "550 unknown", "550"), ("DATA", "451 later", "451"), ("AUTH", "535 no", "535")],
)
def test_a_mail_that_is_not_taken_is_tried_again(
    world: World, reached: DeliveryWorker, mails: MailReceiver, line: str, said: str, result: str
) -> None:
    mails.answer = lambda sent: said if sent.upper().startswith(line) else None
    webhook = register(world, "mailto:night@example.org", events=["vehicle.given"])
    let_much_happen(world)
    reached.deliver()
    path = f"/v1/webhooks/{webhook}"
    (one,) = world.get(path, Role.ADMINISTRATOR).json()["deliveries"]
    assert (one["attempts"], one["result"], one["is_dead"]) == (1, result, False)
    mails.answer = lambda _: None
    assert world.post(f"{path}/retries", {}, Role.ADMINISTRATOR).status_code == 201
    reached.deliver()
    assert len(mails.mails) == 1
    assert world.get(path, Role.ADMINISTRATOR).json()["deliveries"] == []


def test_a_server_that_is_not_there_stops_no_other_receiver(
    world: World,
    reached: DeliveryWorker,
    mails: MailReceiver,
    pushes: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = world.runtime.settings.model_copy(update={"smtp_port": 1})
    monkeypatch.setattr(world.runtime, "settings", settings)
    monkeypatch.setattr(reached, "_sender", open_sender(world.runtime))
    pushes.tried.clear()
    webhook = register(world, "mailto:night@example.org", events=["vehicle.given"])
    url = f"push+http://127.0.0.1:{pushes.port}/topic"
    register(world, url, events=["vehicle.given"])
    let_much_happen(world)
    reached.deliver()
    (one,) = world.get(f"/v1/webhooks/{webhook}", Role.ADMINISTRATOR).json()["deliveries"]
    assert one["result"] == "connection" and len(pushes.tried) == 1 and not mails.mails


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("mailto:a@b\r\nBcc: c@d", "malformed_url"),
        ("mailto:Night <a@b>", "malformed_url"),
        ("mailto:a@b?subject=x", "malformed_url"),
        ("mailto:a@b,c@d", "malformed_url"),
        ("mailto:", "malformed_url"),
        ("push+ftp://host/x", "malformed_url"),
        ("push+https://10.0.0.8/x", "refused_address"),
        ("push+push+https://ntfy.example.org/x", "malformed_url"),
    ],
)
def test_what_is_no_address_of_a_person_is_refused(
    world: World, reached: DeliveryWorker, url: str, rule: str
) -> None:
    body = {"url": url, "events": ["alarm.raised"], "role": "supervisor"}
    refused = world.post("/v1/webhooks", body, Role.ADMINISTRATOR)
    assert refused.status_code == 422 and rule in refused.text, refused.text


def test_without_a_mail_server_no_mail_is_registered(world: World) -> None:
    body = {"url": "mailto:a@example.org", "events": ["alarm.raised"], "role": "supervisor"}
    refused = world.post("/v1/webhooks", body, Role.ADMINISTRATOR)
    assert refused.status_code == 422 and "no_mail_server" in refused.text


def test_a_line_in_clear_goes_to_this_machine_alone() -> None:
    with pytest.raises(ValueError, match="this machine alone"):
        Settings(smtp_host="mail.example.org", smtp_security="none")
    assert Settings(smtp_host="localhost", smtp_security="none").smtp_security == "none"


def open_tls(folder: Path) -> ssl.SSLContext:
    """Return a server's side of TLS, with a certificate of its own in ``tls.pem``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = make_certificate(folder, last_day=1_000)  # the test stands at another time
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "unknown"])
def test_mails_go_over_tls_to_a_server_whose_certificate_is_trusted(
    world: World,
    reached: DeliveryWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    security: str,
    is_trusted: bool,
) -> None:
    receiver = MailReceiver(tls=open_tls(tmp_path), is_tls_from_start=security == "tls")
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls.pem"))
    result, clear = send_one(world, reached, receiver, monkeypatch, security)
    assert result == ("" if is_trusted else "connection")
    assert len(receiver.mails) == is_trusted
    assert receiver.users == ["darvoza open-sesame"] * is_trusted
    greeting = ["EHLO", "STARTTLS"] if security == "starttls" else []
    assert [line.split()[0].upper() for line in clear] == greeting, "nothing else in clear"


def test_no_mail_goes_in_clear_to_a_server_that_offers_no_encryption(
    world: World, reached: DeliveryWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = MailReceiver()
    result, clear = send_one(world, reached, receiver, monkeypatch, "starttls")
    assert result == "connection" and not receiver.mails and not receiver.users
    assert {line.split()[0].upper() for line in clear} <= {"EHLO", "QUIT"}


def send_one(
    world: World,
    reached: DeliveryWorker,
    receiver: MailReceiver,
    monkeypatch: pytest.MonkeyPatch,
    security: str,
) -> tuple[str, list[str]]:
    """Send a mail to a server; return why it still waits, and what came to the server in clear."""
    change = {"smtp_port": receiver.port, "smtp_security": security}
    settings = world.runtime.settings.model_copy(update=change)
    monkeypatch.setattr(world.runtime, "settings", settings)
    monkeypatch.setattr(reached, "_sender", open_sender(world.runtime))
    webhook = register(world, "mailto:night@example.org", events=["vehicle.given"])
    let_much_happen(world)
    with receiver.listen():
        reached.deliver()
    waiting = world.get(f"/v1/webhooks/{webhook}", Role.ADMINISTRATOR).json()["deliveries"]
    return "".join(one["result"] for one in waiting), receiver.clear


def test_a_test_message_goes_the_same_way(
    world: World, reached: DeliveryWorker, mails: MailReceiver
) -> None:
    webhook = register(world, "mailto:night@example.org", events=["alarm.raised"])
    done = world.post(f"/v1/webhooks/{webhook}/tests", {}, Role.ADMINISTRATOR)
    assert done.json()["is_acknowledged"], done.text
    (mail,) = mails.mails
    assert mail["Subject"] == "Darvoza: a test message"


def test_who_is_given_a_red_vehicle_is_reached(
    world: World, reached: DeliveryWorker, mails: MailReceiver
) -> None:
    red = find(world, "red", next(STARTS))
    register(world, "mailto:gate@example.org", Role.CHECKPOINT, events=["vehicle.given"])
    Accounts(world.runtime.store, world.runtime.network).create_user("reached", Role.SUPERVISOR)
    path = f"/v1/crossings/{red['crossing_id']}/assignments"
    assert world.post(path, {"to": "reached"}, Role.SUPERVISOR).status_code == 201
    reached.deliver()
    assert red["decision_id"] in mails.mails[0].get_content()
