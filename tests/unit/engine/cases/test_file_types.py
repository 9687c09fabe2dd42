"""Threat: a file that runs, or that is more than one thing. Five types are taken, by content."""

import contextlib
import random
import zlib
from pathlib import Path

import pytest

from engine.cases import file_content
from engine.cases.file_content import recognise, recognise_content
from engine.errors import RecordError, TooCostlyError
from engine.storage.home import Home
from tests.unit.service.cases.sample_files import BAD, CALL, GOOD, act, pack_script, picture, report


@pytest.mark.parametrize("name", GOOD)
def test_a_file_of_a_known_type_is_taken(name: str, tmp_path: Path) -> None:
    wanted, made = GOOD[name]
    path = tmp_path / "named.exe"
    path.write_bytes(made())
    assert recognise(Home(tmp_path), path) == wanted


@pytest.mark.parametrize("name", BAD)
def test_every_other_file_is_refused(name: str, tmp_path: Path) -> None:
    rule, made = BAD[name]
    path = tmp_path / "named.jpg"
    path.write_bytes(made())
    with pytest.raises(RecordError) as refused:
        recognise(Home(tmp_path), path)
    assert (refused.value.field, refused.value.rule) == ("content", rule)


def test_without_a_look_into_packed_objects_a_script_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeded bug."""
    monkeypatch.setattr(file_content, "_list_packed_objects", lambda _: iter(()))
    assert recognise_content(pack_script()) == "application/pdf"


def test_without_a_look_at_what_it_does_by_itself_a_pdf_file_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seeded bug: links that a reader clicks are no reason to refuse, nor is this."""
    monkeypatch.setattr(file_content, "_check_actions", lambda *_: None)
    assert recognise_content(act(CALL)) == "application/pdf"


def make_object_streams(size: int, *, head: int = 0, number: int = 256) -> bytes:
    """Return a PDF file of many object streams that do not end, with slashes around them."""
    body = b"%PDF-1.7\n" + b"/" * (size // 2)
    body += (b"/ObjStm stream\n1 1 " + b"/" * head) * number
    return body + b"/" * (size // 2) + b"\n%%EOF\n"


def count_looked_at(content: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the bytes of heads and of object streams that a look copies."""
    looked: list[int] = []
    unpack = file_content._unpack

    def count(head: bytes, packed: bytes) -> bytes:
        looked.append(len(head) + len(packed))
        return unpack(head, packed)

    with monkeypatch.context() as patched, contextlib.suppress(RecordError):
        patched.setattr(file_content, "_unpack", count)
        recognise_content(content)
    return sum(looked)


def test_a_look_into_a_pdf_file_costs_no_more_than_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a seeded bug: dictionaries and object streams without a bound."""
    attack = make_object_streams(1 << 20)
    with pytest.raises(RecordError) as refused:
        recognise_content(attack)
    assert refused.value.rule == "unreadable"
    ended = attack.replace(b"/ObjStm stream\n1 1 ", b"/ObjStm stream\n1 1 \nendstream ")
    most = len(ended) + 256 * 64 * 1024
    for content in (attack, ended):
        assert count_looked_at(content, monkeypatch) <= most
    endless = attack.replace(b"\n%%EOF", b"\nendstream\n%%EOF")
    for name in ("_MOST_DICTIONARY", "_MOST_PACKED"):
        monkeypatch.setattr(file_content, name, 1 << 40)
    assert count_looked_at(endless, monkeypatch) > 3 * most


def test_the_sum_of_all_looks_into_a_pdf_file_is_bounded() -> None:
    inner = zlib.compress(b"1 0 " + b" " * (3 << 20))
    stream = b"<< /Type /ObjStm /First 4 /Filter /FlateDecode >>\nstream\n" + inner
    whole = b"%PDF-1.7\n" + (stream + b"\nendstream\nendobj\n") * 8 + b"%%EOF\n"
    assert recognise_content(whole) == "application/pdf"
    more = b"%PDF-1.7\n" + (stream + b"\nendstream\nendobj\n") * 12 + b"%%EOF\n"
    with pytest.raises(RecordError, match="too large to look into"):
        recognise_content(more)


def test_parts_of_a_picture_are_counted() -> None:
    chunk = b"\0\0\0\0IDAT" + bytes(4)
    png = picture("PNG")
    at = png.index(b"IDAT") - 4
    segment = b"\xff\xfe\0\x02"
    jpeg = picture("JPEG")
    assert recognise_content(png[:at] + chunk * 9_000 + png[at:]) == "image/png"
    assert recognise_content(jpeg[:2] + segment * 9_000 + jpeg[2:]) == "image/jpeg"
    for content in (
        png[:at] + chunk * 20_000 + png[at:],
        jpeg[:2] + segment * 20_000 + jpeg[2:],
        jpeg[:2] + b"\xff" * 20_000 + jpeg[2:],
    ):
        with pytest.raises(RecordError, match="and is none"):
            recognise_content(content)


def test_a_look_that_takes_too_long_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> bytes:
        raise TooCostlyError("file")

    monkeypatch.setattr(file_content, "work_apart", give_up)
    with pytest.raises(RecordError, match="too long to look into") as refused:
        recognise(Home(tmp_path), tmp_path / "any")
    assert refused.value.rule == "unreadable"


def test_random_damage_is_refused_or_taken_and_never_a_fault() -> None:
    drawn = random.Random(22)
    for made in (picture("JPEG"), picture("PNG"), picture("WEBP"), report(), pack_script()):
        for _ in range(60):
            damaged = bytearray(made)
            for _ in range(drawn.randrange(1, 6)):
                damaged[drawn.randrange(len(made))] = drawn.randrange(256)
            content = bytes(damaged[: drawn.randrange(1, len(made) + 1)])
            try:
                assert recognise_content(content) in file_content.SUFFIXES
            except RecordError:
                continue


def test_what_is_packed_is_not_taken_for_markup() -> None:
    """Two megabytes of noise hold none of what is looked for."""
    noise = random.Random(7).randbytes(2 * 1024 * 1024)
    assert file_content._MARKUP.search(noise) is None
    assert file_content._ACTIVE.search(noise) is None
