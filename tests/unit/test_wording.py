"""No name of a banned form and no banned word is new, and the lists of the old ones only shrink."""

from collections import Counter
from pathlib import Path

import pytest

from tests import wording


def test_no_banned_name_or_word_is_new_and_none_is_listed_that_is_gone() -> None:
    assert wording.differences() == []


def test_a_banned_name_is_reported() -> None:
    """Negative control."""
    bad = ("_told", "considering", "waking", "beside_lookup", "one", "twin", "a_planted_seizure")
    good = ("attach_amendments", "blending", "drop_answered", "seed", "crossing", "read_one_day")
    assert [name for name in (*bad, *good) if wording.is_banned(name)] == list(bad)
    text = "class Told:\n  def waking(self, said): told = said; return told"
    assert set(wording.banned_names(text, "sent")) == {"Told", "waking", "said", "told", "sent"}


def test_a_module_that_begins_with_a_question_word_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    (tmp_path / "engine" / "versions").mkdir(parents=True)
    for path, text in (
        ("engine/queue.py", "What waits."), ("engine/order.py", "Order."),
        ("engine/versions/0001.py", "What came first."),
    ):  # fmt: skip
        (tmp_path / path).write_text(f'"""{text}"""', "utf-8")
    monkeypatch.setattr(wording, "ROOT", tmp_path)
    assert list(wording.asking_modules()) == ["engine/queue.py"]


@pytest.mark.parametrize(
    ("names", "words", "report"),
    [
        ({"api told", "api kept"}, {"api anew": 1}, ["a new name of a banned form: api told"]),
        ({"api kept"}, {"api anew": 2}, ["more of a banned word: api anew"]),
        (set(), {"api anew": 1}, ["gone, run with --shrink: api kept"]),
        ({"api kept"}, {}, ["fewer, run with --shrink: api anew"]),
    ],
)
def test_a_list_that_differs_from_the_code_is_reported_and_only_shrinks(
    names: set[str],
    words: dict[str, int],
    report: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: each way in which code and lists can differ."""
    for name, text in (("NAMES", "api kept\n"), ("WORDS", "api 1 anew\n")):
        (tmp_path / name).write_text(text, "utf-8")
        monkeypatch.setattr(wording, f"ACCEPTED_{name}", tmp_path / name)
    monkeypatch.setattr(wording, "asking_modules", list)
    monkeypatch.setattr(wording, "present_names", lambda: names)
    monkeypatch.setattr(wording, "present_words", lambda: Counter(words))
    assert wording.differences() == report
    wording.shrink_lists()
    assert wording.differences() == [line for line in report if "--shrink" not in line]
    assert wording.accepted_names() <= {"api kept"}
