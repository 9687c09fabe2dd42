"""What keeps ``make test`` short stays: files that share something are there, few start Python."""

from pathlib import Path

from tests.conftest import HERE, SHARED

MOST_STARTS = 24
"""Files of tests that may start an interpreter: to import the service takes seconds each time."""


def list_starting_files(folder: Path = HERE) -> list[str]:
    """Return the files below a folder that start another interpreter."""
    files = (path for path in folder.rglob("*.py") if "spark" not in path.parts)
    return [path.name for path in files if "sys." + "executable" in path.read_text("utf-8")]


def test_files_that_share_something_are_there() -> None:
    names = [name for names in SHARED for name in names]
    assert [name for name in names if not (HERE.parent / name).exists()] == []
    assert len(names) == len(set(names))


def test_few_files_start_an_interpreter() -> None:
    """A new one forks the service where it can (``forker`` of ``tests/conftest.py``)."""
    found = list_starting_files()
    assert "test_start_time.py" in found
    assert len(found) <= MOST_STARTS, found


def test_a_file_that_starts_an_interpreter_is_found(tmp_path: Path) -> None:
    """Negative control."""
    for name, text in (("one.py", "run([sys." + "executable])"), ("two.py", "run([])")):
        (tmp_path / name).write_text(text, "utf-8")
    assert list_starting_files(tmp_path) == ["one.py"]
