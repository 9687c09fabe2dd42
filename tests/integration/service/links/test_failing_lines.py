"""A failure of the other side is named as the other side's, with its cause."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api.links import exchanges
from api.links.exchanges import CA_FILE, open_carrier
from api.links.worker import LinkWorker
from api.service.structured_logging import OURS
from engine.domain.rights import Role
from engine.domain.time_units import DAY, SystemClock, rfc3339
from engine.errors import HomeError, OtherSideError
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.storage.home import Home
from experiments.support.tls_line import HOST, Line, make_certificate, serve_tls
from tests.support.people import at_desk
from tests.support.running_service import World
from tests.unit.engine.links.links import LinkSides

pytestmark = pytest.mark.machine_clock


@contextmanager
def serve_answers(
    folder: Path, status: int = 200, **certificate: Any
) -> Iterator[tuple[Home, str]]:
    """Serve answers over TLS; yield a home that trusts the certificate, and the address."""
    line = Line(0, make_certificate(folder, **certificate))
    line.forward = lambda *_: (status, b"{}")  # type: ignore[method-assign]
    (folder / CA_FILE).write_bytes(line.certificate.read_bytes())
    with serve_tls(line, folder):
        yield Home(folder), line.url


def ask(home: Home, url: str) -> OtherSideError:
    """Carry a parcel, and return what is said of its failure."""
    link: Any = SimpleNamespace(name="ab", them=SimpleNamespace(url=url))
    with pytest.raises(OtherSideError) as failed:
        open_carrier(home, link)(b"{}")
    assert str(failed.value).startswith("the other side of the link: ")
    return failed.value


@pytest.mark.parametrize(
    ("certificate", "cause", "days"),
    [
        ({"first_day": -9, "last_day": -2}, "certificate_expired", -2),
        ({"first_day": 2, "last_day": 9}, "certificate_early", 2),
        ({"host": "10.0.0.1"}, "certificate_name", None),
    ],
)
def test_a_certificate_is_named_with_its_date(
    tmp_path: Path, certificate: dict[str, Any], cause: str, days: int | None
) -> None:
    with serve_answers(tmp_path, **certificate) as (home, url):
        failure = ask(home, url)
    assert failure.cause == cause
    if days is None:
        assert (failure.at, HOST in failure.why) == ("", True)
    else:
        expected = datetime.now(UTC) + timedelta(days=days)
        assert abs(datetime.fromisoformat(failure.at) - expected) < timedelta(hours=1)
        assert failure.at in failure.why


def test_an_unknown_authority_and_an_unreadable_file_are_two_things(tmp_path: Path) -> None:
    """The second one is a fault of this side, and is not called the other side's."""
    with serve_answers(tmp_path) as (home, url):
        (tmp_path / CA_FILE).unlink()
        assert ask(home, url).cause == "certificate_unknown"
        (tmp_path / CA_FILE).write_text("no certificate")
        link: Any = SimpleNamespace(name="ab", them=SimpleNamespace(url=url))
        with pytest.raises(HomeError, match=CA_FILE):
            open_carrier(home, link)


def test_what_happens_on_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_answers(tmp_path, status=500) as (home, url):
        failure = ask(home, url)
        assert (failure.cause, "500" in failure.why) == ("answer", True)
    with socket.create_server((HOST, 0)) as silent:
        address = f"https://{HOST}:{silent.getsockname()[1]}"
        monkeypatch.setattr(exchanges, "SECONDS", 0.2)
        assert ask(home, address).cause == "timeout"
    assert ask(home, address).cause == "refused"
    assert ask(home, "https://nowhere.invalid").cause == "no_address"


@pytest.fixture
def unreachable(world: World) -> Iterator[LinkExchange]:
    """Agree with a partner at an address where nothing answers."""
    with socket.create_server((HOST, 0)) as found:
        port = found.getsockname()[1]
    sides = LinkSides(uz=open_link_keys(world.home))
    content = sides.agreement.content()
    content["parties"][1]["url"] = f"https://{HOST}:{port}"
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, sides.uz)
    link = exchange.propose(type(sides.agreement).model_validate(content, strict=False), by="ann")
    exchange.approve(link, by="bob")
    yield exchange
    exchange.end(link, by="ann", why="over")


def test_the_cause_is_in_logs_metrics_pages_and_answers_until_it_is_over(
    world: World,
    unreachable: LinkExchange,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gauge = 'darvoza_links_unreachable{cause="refused"} 1.0'
    worker = LinkWorker(world.runtime, seconds=60)
    worker.run_turn()
    found = [(one.msg, vars(one)["values"]) for one in caplog.records if one.name == OURS]
    assert found == [("link_unreachable", {"why": "refused"})]
    assert gauge in world.client.get("/metrics").text
    (link,) = world.get("/v1/links", Role.INTEGRITY).json()["links"]
    assert link["failure"]["cause"] == "refused"
    desk = at_desk(world, "ina", Role.INTEGRITY)
    for page in ("/links", f"/links/{link['link']}"):
        assert "it refuses connections" in desk.get(page).text
    at = rfc3339(SystemClock().now() - DAY)
    world.runtime.metrics.links_failing[link["link"]] = OtherSideError(
        "certificate_expired", "", at
    )
    assert "its certificate has expired" in desk.get(f"/links/{link['link']}").text
    result = SimpleNamespace(is_stopped=False, foreign=0, answered_at=1, heard=1)
    monkeypatch.setattr("api.links.exchanges.exchange_all", lambda *_, **__: result)
    worker.run_turn()
    assert gauge not in world.client.get("/metrics").text
    (link,) = world.get("/v1/links", Role.INTEGRITY).json()["links"]
    assert link["failure"] is None
