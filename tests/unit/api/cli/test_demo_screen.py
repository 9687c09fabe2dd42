"""What a demonstration prints when it is up: one screen, with everybody who can sign in."""

from io import StringIO

import pytest
from rich.console import Console

from api.cli import demo
from api.harness.lived_weeks import PEOPLE

LINES = 24
"""Of a terminal, next to the table of at most ten posts."""


def test_people_of_every_role_and_what_differs_fit_on_one_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = StringIO()
    monkeypatch.setattr(demo, "OUT", Console(file=text, width=80))
    passwords = {name: f"word-of-{name}" for name in PEOPLE}
    roles = {name: f"{role.value}, {post}" for name, (role, post) in PEOPLE.items()}
    made = demo.Credentials("sup-key", "ana-key", {"UZ-OYB": "post-key"}, passwords, roles)
    demo._say_how("http://127.0.0.1:1", made, "dec-1")
    shown = text.getvalue()
    assert len(shown.splitlines()) <= LINES
    for name in PEOPLE:
        assert f"word-of-{name}  {roles[name]}" in shown
    assert "http://127.0.0.1:1/decisions/dec-1" in shown
    assert all(key in shown for key in ("sup-key", "ana-key", "post-key"))
