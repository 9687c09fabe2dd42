"""Threat: a file that runs, or that is more than one thing. Five types are taken, by content."""

import random
from pathlib import Path

import pytest

from engine.cases import file_types
from engine.cases.file_types import recognise, recognise_content
from engine.errors import RecordError
from tests.support.sample_files import BAD, GOOD, pack_script, picture, report


@pytest.mark.parametrize("name", GOOD)
def test_a_file_of_a_known_type_is_taken(name: str, tmp_path: Path) -> None:
    wanted, made = GOOD[name]
    path = tmp_path / "named.exe"
    path.write_bytes(made())
    assert recognise(path) == wanted


@pytest.mark.parametrize("name", BAD)
def test_every_other_file_is_refused(name: str, tmp_path: Path) -> None:
    rule, made = BAD[name]
    path = tmp_path / "named.jpg"
    path.write_bytes(made())
    with pytest.raises(RecordError) as refused:
        recognise(path)
    assert (refused.value.field, refused.value.rule) == ("content", rule)


def test_without_a_look_into_packed_objects_a_script_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeded bug."""
    monkeypatch.setattr(file_types, "_list_packed_objects", lambda _: iter(()))
    assert recognise_content(pack_script()) == "application/pdf"


def test_random_damage_is_refused_or_taken_and_never_a_fault() -> None:
    drawn = random.Random(22)
    for made in (picture("JPEG"), picture("PNG"), picture("WEBP"), report(), pack_script()):
        for _ in range(60):
            damaged = bytearray(made)
            for _ in range(drawn.randrange(1, 6)):
                damaged[drawn.randrange(len(made))] = drawn.randrange(256)
            content = bytes(damaged[: drawn.randrange(1, len(made) + 1)])
            try:
                assert recognise_content(content) in file_types.SUFFIXES
            except RecordError:
                continue


def test_what_is_packed_is_not_taken_for_markup() -> None:
    """Two megabytes of noise hold none of what is looked for."""
    noise = random.Random(7).randbytes(2 * 1024 * 1024)
    assert file_types._MARKUP.search(noise) is None
    assert file_types._ACTIVE.search(noise) is None
