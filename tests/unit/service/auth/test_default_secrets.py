"""Threat: default secrets. Nothing starts behind a password, a key or a pepper that is known."""

import re
from pathlib import Path

import pytest

from api.auth.credentials import EXAMPLES, PEPPER_FILE, check_database, open_pepper
from api.service.assembly import open_store
from engine.errors import HomeError
from engine.storage.home import DATABASE_VARIABLE, Home

DOCS = Path(__file__).parents[4] / "docs"
URL = "postgresql+psycopg://darvoza:{}@127.0.0.1:1/darvoza"


def list_passwords() -> set[str]:
    """Return every password that our own pages show in an address."""
    texts = [page.read_text("utf-8") for page in DOCS.rglob("*.md")]
    return {found for text in texts for found in re.findall(r"://\w+:([^@\s]+)@", text)}


def test_a_password_of_the_examples_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list_passwords(), "the pages show how an address looks"
    for password in {*list_passwords(), *EXAMPLES, "Postgres"}:
        monkeypatch.setenv(DATABASE_VARIABLE, URL.format(password))
        with pytest.raises(HomeError, match=DATABASE_VARIABLE) as refused:
            open_store(Home(tmp_path))
        assert URL.format(password) not in str(refused.value)


def test_other_passwords_and_none_are_taken(tmp_path: Path) -> None:
    """Negative control: what is refused above is refused for its password."""
    for url in (URL.format("x7-Rk2"), "postgresql+psycopg://darvoza@/x", f"sqlite:///{tmp_path}/x"):
        check_database(url)


@pytest.mark.parametrize("kept", [bytes(32), b"darvoza-" * 4, bytes(range(8)) * 4, b"short"])
def test_a_pepper_that_was_not_drawn_starts_nothing(tmp_path: Path, kept: bytes) -> None:
    home = Home(tmp_path).prepare()
    path = home.keys / PEPPER_FILE
    path.write_bytes(kept)
    path.chmod(0o600)
    with pytest.raises(HomeError, match=PEPPER_FILE):
        open_pepper(home)


def test_a_pepper_that_others_can_read_starts_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    assert len(open_pepper(home)) == 32
    (home.keys / PEPPER_FILE).chmod(0o644)
    with pytest.raises(HomeError, match="chmod"):
        open_pepper(home)


def test_no_page_shows_a_key_that_would_open_anything() -> None:
    texts = [page.read_text("utf-8") for page in DOCS.rglob("*.md")]
    assert not [text for text in texts if re.search(r"dz_[\w-]{40}", text)]
