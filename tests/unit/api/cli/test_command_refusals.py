"""What a command refuses is one sentence, before the work begins and without a traceback."""

import io
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import main as command_line
from api.cli.common import ERR
from engine.errors import InputError


def refuse(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a command that fails as the console script does; return its standard error."""
    output = io.StringIO()
    monkeypatch.setattr(ERR, "_file", output)  # to be set back to none, for later tests
    monkeypatch.setattr(sys, "argv", ["darvoza", *words])
    with pytest.raises(SystemExit) as stopped:
        command_line.main()
    assert stopped.value.code == 1
    return output.getvalue()


def test_a_path_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "wco.xml"
    document.write_text("<Declaration/>", "utf-8")
    blocked = tmp_path / "file"
    blocked.write_text("", "utf-8")
    words = ["translate", str(document), "--out", str(blocked / "out")]
    assert refuse(words, monkeypatch) == f"refused {blocked / 'out'}: Not a directory\n"


def test_a_fault_of_the_command_itself_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ConnectionError("closed")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ConnectionError):
        command_line.main()


@pytest.mark.parametrize(
    "words", [["features", "{folder}", "--out", "{out}"], ["simulate", "--out", "{out}"]]
)
def test_a_missing_folder_is_refused_before_the_work(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "missing" / "file"
    given = [word.format(folder=tmp_path, out=out) for word in words]
    refused = CliRunner().invoke(command_line.app, given)
    assert isinstance(refused.exception, InputError)
    assert str(refused.exception) == f"{out.parent}: no such folder"


def test_without_a_terminal_the_variable_for_the_password_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    made = CliRunner().invoke(
        command_line.app, ["users", "create", "ann", "--role", "supervisor", "--home", str(home)]
    )
    assert made.exit_code == 0
    monkeypatch.delenv("DARVOZA_PASSWORD", raising=False)
    monkeypatch.setattr("getpass.getpass", _without_terminal)
    refused = refuse(["promote", "m1", "--as", "ann", "--home", str(home)], monkeypatch)
    assert refused == "refused no terminal to ask for the password of ann: set DARVOZA_PASSWORD\n"


def _without_terminal(prompt: str) -> str:
    import getpass
    import warnings

    warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
    return prompt
