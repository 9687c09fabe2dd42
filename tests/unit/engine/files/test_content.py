"""Files of cases: five types are taken, by content; a photograph keeps its picture alone."""

import contextlib
import io
import random
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from engine.errors import RecordError, TooCostlyError
from engine.files import content as file_content
from engine.files.content import recognise, recognise_content, strip_photograph, strip_png
from engine.storage.home import Home
from tests.unit.engine.cases.sample_photographs import NAME, take_photograph, write_png
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


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"quality": 20, "subsampling": 2}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_picture_stays_and_its_maker_does_not(mode: str, how: dict[str, Any]) -> None:
    taken = take_photograph(mode, **how)
    assert NAME.encode() in taken
    found = strip_photograph(taken)
    assert found is not None
    assert (found.width, found.height, found.turn) == (40, 24, 90)
    for trace in (NAME.encode(), b"Exif", b"SEFT", b"2024:03"):
        assert trace not in found.content
    before, after = (Image.open(io.BytesIO(one)) for one in (taken, found.content))
    assert ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox() is None


def test_a_seeded_bug_that_keeps_every_segment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_content, "_is_kept", lambda *_: True)
    found = strip_photograph(take_photograph())
    assert found is not None and NAME.encode() in found.content


@pytest.mark.parametrize(("held", "turn"), [(1, 0), (3, 180), (6, 90), (8, 270), (99, 0)])
def test_a_photograph_is_turned_as_its_camera_was_held(held: int, turn: int) -> None:
    found = strip_photograph(take_photograph(orientation=held))
    assert found is not None and found.turn == turn


def test_what_a_document_does_not_show_is_none() -> None:
    whole = take_photograph()
    cuts = [strip_photograph(whole[:at]) for at in range(0, len(whole) - 12, 7)]
    assert set(cuts) == {None}
    assert strip_photograph(take_photograph("CMYK")) is None
    assert strip_photograph(picture("PNG")) is None
    assert strip_photograph(b"") is None


def test_a_png_that_would_have_to_be_decoded_is_named_alone() -> None:
    whole = write_png("RGB")
    assert {strip_png(whole[:at]) for at in range(0, len(whole) - 12, 7)} == {None}
    assert strip_png(write_png("RGBA")) is None
    assert strip_png(write_png("LA")) is None
    assert strip_png(write_png("1")) is None
    assert strip_png(write_png("P", transparency=3)) is None
    assert strip_png(take_photograph()) is None
    interlaced = bytearray(whole)
    interlaced[28] = 1
    assert strip_png(bytes(interlaced)) is None


class CountedBytes(bytes):
    """Data of a chunk; counts the bytes that additions copy."""

    copied = 0

    def __radd__(self, before: bytes) -> "CountedBytes":
        return self.add(before, self)

    def __add__(self, after: Any) -> "CountedBytes":
        return self.add(self, after)

    @classmethod
    def add(cls, before: bytes, after: bytes) -> "CountedBytes":
        cls.copied += len(before) + len(after)
        return cls(b"".join((before, after)))


def cut_rows(number: int) -> bytes:
    """Return a picture whose rows are cut into chunks of one byte, as many as there are."""
    png = write_png("RGB")
    at = png.index(b"IDAT") - 4
    length = int.from_bytes(png[at : at + 4], "big")
    rows = png[at + 8 : at + 8 + length].ljust(number, b"\0")
    chunks = (b"\0\0\0\x01IDAT" + bytes([one]) + bytes(4) for one in rows)
    return png[:at] + b"".join(chunks) + png[at + 12 + length :]


def test_chunks_of_a_png_picture_are_joined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a seeded bug: joined one by one, as they were."""
    whole = cut_rows(4_000)
    chunks = [(name, CountedBytes(data)) for name, data in file_content._list_chunks(whole)]
    monkeypatch.setattr(file_content, "_list_chunks", lambda _: iter(chunks))
    found = strip_png(whole)
    assert found is not None and len(found.content) == 4_000
    assert CountedBytes.copied == 0
    joined = b""
    for _, data in chunks:
        joined = joined + data
    assert CountedBytes.copied > 1_000 * len(joined)


def test_the_turn_of_a_photograph_is_looked_for_without_copies() -> None:
    """A list of entries as long as it may be costs what its bytes cost."""

    class Tiff(bytes):
        copied = 0

        def __getitem__(self, at: Any) -> Any:
            found = super().__getitem__(at)
            if isinstance(at, slice):
                Tiff.copied += len(found)
                return Tiff(found)
            return found

    exif = b"Exif\0\0II*\0\x08\0\0\0" + b"\xff\xff" + bytes(65_000)
    assert file_content._read_orientation(Tiff(exif)) == 1
    assert Tiff.copied < 3 * len(exif)
