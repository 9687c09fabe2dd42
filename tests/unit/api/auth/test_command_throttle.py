"""Wrong passwords on the command line are limited, whichever name they are tried for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import engine.journal.clock
from api.auth import throttles
from api.auth.accounts import Accounts
from api.auth.throttles import FILE, FREE, CommandThrottle
from api.cli.common import open_home, signed_in
from engine.domain.network import Network
from engine.domain.rights import Role
from engine.domain.time_units import SECOND
from engine.errors import NotAllowedError
from engine.storage.home import Home
from tests.support.running_service import cheap_passwords


@pytest.fixture(autouse=True)
def _cheap_passwords() -> Iterator[None]:
    with cheap_passwords():
        yield


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


def is_refused(home: Home) -> bool:
    try:
        CommandThrottle(home).begin()
    except NotAllowedError:
        return True
    return False


def test_a_wait_follows_wrong_passwords_and_ends(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(is_refused(home) for _ in range(FREE))
    assert is_refused(home) and is_refused(home)
    now = engine.journal.clock.since_boot()
    monkeypatch.setattr(throttles, "since_boot", lambda: now + 16 * SECOND)
    assert not is_refused(home) and is_refused(home), "one more, then a longer wait"
    assert (home.root / FILE).stat().st_mode & 0o077 == 0


def test_a_wall_clock_that_is_set_ahead_shortens_no_wait(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(FREE):
        is_refused(home)
    monkeypatch.setattr("time.time_ns", lambda: 10**19)
    assert is_refused(home)


def test_a_right_password_forgets_them(home: Home) -> None:
    for _ in range(FREE - 1):
        is_refused(home)
    CommandThrottle(home).succeed()
    assert not any(is_refused(home) for _ in range(FREE))


def test_commands_that_sign_in_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_home(tmp_path / "home") as (home, store):
        right = Accounts(store, Network()).create_user("ann", Role.SUPERVISOR).secret
        monkeypatch.setenv("DARVOZA_PASSWORD", "wrong")
        for _ in range(FREE):
            with pytest.raises(NotAllowedError, match="no person"):
                signed_in(home, store, "ann")
        monkeypatch.setenv("DARVOZA_PASSWORD", right)
        with pytest.raises(NotAllowedError, match="too many wrong passwords"):
            signed_in(home, store, "ann")
