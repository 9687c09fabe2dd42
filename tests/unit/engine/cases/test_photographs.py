"""Photographs for a document: the picture alone, and nothing of its maker."""

import io
from typing import Any

import pytest
from PIL import Image, ImageChops

from engine.cases import file_content
from engine.cases.file_content import strip_photograph, strip_png
from tests.unit.engine.cases.sample_photographs import NAME, take_photograph, write_png
from tests.unit.service.cases.sample_files import picture


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
