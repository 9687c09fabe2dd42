"""Every example runs by itself and prints what its page promises."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXPECTED = {
    "check_profile.py": ("valid, at most", "refused: ", "position 27"),
    "compute_propensity.py": ("propensity of red or stricter: 0.418", "red     basis random"),
    "detect_tampering.py": ("before the edit: no fault", "after the edit: record 2"),
}


def test_each_example_is_expected_and_listed() -> None:
    names = {path.name for path in FOLDER.glob("*.py")}
    assert names == set(EXPECTED)
    page = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"examples/{name}`" in page for name in names)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    shown = capsys.readouterr()
    for line in EXPECTED[name]:
        assert line in shown.out
    assert shown.err == ""
