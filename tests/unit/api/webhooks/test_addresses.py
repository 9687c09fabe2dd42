"""Addresses that events may go to, and attempts to reach others."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import pytest

from api.webhooks import steps
from api.webhooks.delivery import Message, Sender, judge, parse_retry_after
from api.webhooks.steps import (
    RefusedAddressError,
    check_url,
    is_open,
    parse_networks,
    parse_url,
    resolve,
)
from engine.domain.time_units import SECOND
from engine.errors import RecordError

LOCAL = parse_networks("127.0.0.0/8, ::1/128,10.1.0.0/16")
CLOSED = (
    "127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
    "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:169.254.169.254",
    "fec0::1", "64:ff9b:1::a00:1", "::ffff:0:10.0.0.1", "::10.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_public_is_closed(address: str) -> None:
    assert not is_open(ip_address(address), ())


def test_a_setting_opens_a_network() -> None:
    assert is_open(ip_address("93.184.216.34"), ()) and is_open(ip_address("2606:4700::1"), ())
    assert is_open(ip_address("10.1.2.3"), LOCAL) and is_open(ip_address("::ffff:10.1.2.3"), LOCAL)
    assert not is_open(ip_address("10.2.0.1"), LOCAL)


@pytest.mark.parametrize(
    "url",
    [
        "https://user@example.org/", "https://example.org/#f", "https://Example.org/", "ftp://e.org/",
        "https://e.org\\@10.0.0.1/", "https://e.org:0/", "https://e.org:99999/", "https:///x",
        "https://e.org/a b", "https://e.org/\n", "https://%61.org/", "//e.org", "https://e.org?x=1",
        "https://пример.рф/",
    ],
)  # fmt: skip
def test_a_url_that_two_readers_could_take_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(RecordError, match="url"):
        check_url(url, LOCAL)


def test_http_is_for_this_machine_alone() -> None:
    check_url("http://127.0.0.1:9/x?y=1", LOCAL)
    check_url("https://e.org:8443/a/b?c=d", ())
    with pytest.raises(RecordError, match="not_https"):
        check_url("http://127.0.0.1/", ())
    with pytest.raises(RecordError, match="refused_address"):
        check_url("http://10.1.0.1/", LOCAL)
    assert parse_url("https://[::1]/x").host == "::1"


def resolve_to(*found: str) -> Any:
    async def getaddrinfo(*_: Any, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in found]

    return getaddrinfo


def ask(url: str, *found: str) -> str:
    async def run() -> str:
        asyncio.get_running_loop().getaddrinfo = resolve_to(*found)  # type: ignore[method-assign]
        return await resolve(url, LOCAL)

    return asyncio.run(run())


def test_a_name_is_resolved_once_and_all_of_its_addresses_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a seeded bug: the first address alone is checked."""
    assert ask("https://e.org/", "93.184.216.34") == "93.184.216.34"
    for found in (["192.168.0.1"], ["93.184.216.34", "192.168.0.1"], ["fe80::1%eth0"]):
        with pytest.raises(RefusedAddressError):
            ask("https://e.org/", *found)
    with pytest.raises(RefusedAddressError):
        ask("http://e.org/", "93.184.216.34")
    monkeypatch.setattr(steps, "is_open", lambda *_: True)
    assert ask("https://e.org/", "192.168.0.1") == "192.168.0.1"


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_a_name_that_cannot_be_resolved_fails_as_an_attempt(host: str) -> None:
    """An attempt that raises is made again at once, for ever: none is counted."""
    sent = Sender((), 5).send([Message(f"https://{host}/", {}, b"{}")])
    assert sent is not None and [one.result for one in sent] == ["connection"]


def test_nothing_connects_to_a_refused_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        sent = Sender((), 5).send([Message(url, {}, b"{}")])
        assert sent is not None and [one.result for one in sent] == ["refused_address"]
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "delivered"), (204, "delivered"), (301, "failed"), (404, "failed"), (410, "gone")],
)
def test_any_status_of_2xx_acknowledges_and_410_ends(status: int, state: str) -> None:
    assert judge(status).state == state


def test_a_receiver_s_wait_is_seconds_or_a_date() -> None:
    assert parse_retry_after("120") == 120 * SECOND
    assert parse_retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 0
    assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for beyond in ("9999999999:12:08 GMT", "19:12:08 -99999999999"):
        assert judge(503, f"Mon, 20 Nov 1995 {beyond}").retry_after == 0
    assert parse_retry_after("soon") == parse_retry_after("") == parse_retry_after("-5") == 0
    assert judge(503, "60").retry_after == 60 * SECOND and judge(500, "60").retry_after == 0
