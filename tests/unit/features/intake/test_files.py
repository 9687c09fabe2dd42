"""Files of a bulk folder: which of them may be read, and how their bytes become rows."""

import csv
import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from api.cli.main import app
from engine.errors import InputError
from engine.storage.home import Home
from features.intake.file_reader import ColumnLayout, FileRows
from features.intake.load import load
from tests.unit.features.intake import bulk_folders as folders

SECRET = "root-x-0-0-secret"
ODD = "UZOYB"


def bulk(folder: Path, *rows: folders.Row, network: str | None = folders.NETWORK) -> Path:
    folders.write({"crossings": list(rows or [folders.crossing(1)])}, folder, network=network)
    return folder


def make(kind: str, path: Path) -> None:
    """Put something under the name of a table."""
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        other = path.parent.parent / "secret"
        other.write_text(f"{SECRET}\n")
        path.symlink_to(other)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("contract", "crossings.csv"),
        ("contract", "inspections.csv"),
        ("contract", "network.toml"),
        ("kcs", "imports.csv"),
    ],
)
def test_only_a_regular_file_is_read(kind: str, form: Any, name: str, tmp_path: Path) -> None:
    folder = bulk(tmp_path / "bulk")
    make(kind, folder / name)
    with pytest.raises(InputError, match=r"symbolic link|not a regular file") as refused:
        load(Home(tmp_path / "home").prepare(), folder, format=form)
    assert name in str(refused.value) and SECRET not in str(refused.value)


def test_a_link_would_have_its_first_line_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: any name that leads to a file is read."""
    folder = bulk(tmp_path / "bulk")
    make("link", folder / "crossings.csv")
    monkeypatch.setattr("features.intake.load.is_there", Path.exists)
    with pytest.raises(InputError, match=SECRET):
        load(Home(tmp_path / "home").prepare(), folder)


def test_a_long_name_of_a_column_is_cut(tmp_path: Path) -> None:
    folder = bulk(tmp_path / "bulk")
    (folder / "crossings.csv").write_text("y" * 5_000 + ",z\n")
    with pytest.raises(InputError) as refused:
        load(Home(tmp_path / "home").prepare(), folder)
    assert len(str(refused.value)) < 300


def test_a_refusal_repeats_a_name_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.cli.main import main

    folder = bulk(tmp_path / "bulk")
    (folder / "crossings.csv").write_text(":x:[bold],z\n")
    monkeypatch.setattr("sys.argv", ["darvoza", "features", str(folder), "--out", "none"])
    with pytest.raises(SystemExit):
        main()
    assert ":x:[bold]" in capsys.readouterr().err


def test_posts_that_no_network_file_names_are_said(tmp_path: Path) -> None:
    rows = [folders.crossing(number, post=post) for number, post in enumerate(("OYB", ODD, ODD))]
    folder = bulk(tmp_path / "bulk", *rows, network=None)
    home = str(tmp_path / "home")
    result = CliRunner().invoke(app, ["load", str(folder), "--home", home])
    assert result.exit_code == 0 and f"{ODD} (crossings: 2)" in " ".join(result.stderr.split())
    more = bulk(tmp_path / "more", folders.crossing(9, post=ODD), network=None)
    again = CliRunner().invoke(app, ["load", str(more), "--home", home])
    assert again.exit_code == 0 and ODD not in again.stderr, "the history names it by now"


LAYOUT = ColumnLayout(
    ("id", "tags", "flag", "note"), frozenset({"id"}), lists=("tags",), flags=("flag",)
)
Found = tuple[list[tuple[int, dict[str, object]]], list[tuple[int, str]]]


def _read(path: Path, content: bytes, *, ignored: tuple[str, ...] = ()) -> Found:
    path.write_bytes(content)
    rows = FileRows(path, LAYOUT, ignored=ignored)
    found = [pair for lines, chunk in rows for pair in zip(lines, chunk, strict=True)]
    assert rows.seen == len(found) + len(rows.faults)
    return found, [(fault.line, fault.rule) for fault in rows.faults]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_cells_lists_and_flags(path: Path) -> None:
    found, faults = _read(path, b"id,tags,flag,note\na,x;y,TRUE,\nb,,0,hm\nc,z,yes,\n")
    assert found == [
        (2, {"id": "a", "tags": ["x", "y"], "flag": True}),
        (3, {"id": "b", "flag": False, "note": "hm"}),
        (4, {"id": "c", "tags": ["z"], "flag": ("yes",)}),
    ]
    assert faults == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_a_byte_order_mark(path: Path, end: bytes) -> None:
    found, _ = _read(path, end.join([b"\xef\xbb\xbfid,note", b"a,1", b"", b"b,2"]))
    assert found == [(2, {"id": "a", "note": "1"}), (4, {"id": "b", "note": "2"})]


def test_the_line_is_where_the_row_starts(path: Path) -> None:
    found, _ = _read(path, b'id,note\na,"one\ntwo\nthree"\nb,x\n')
    assert found == [(2, {"id": "a", "note": "one\ntwo\nthree"}), (5, {"id": "b", "note": "x"})]


def test_rows_with_too_few_or_too_many_cells_are_kept_apart(path: Path) -> None:
    found, faults = _read(path, b"id,note\na\nb,x,y\nc,z\n")
    assert found == [(4, {"id": "c", "note": "z"})]
    assert faults == [(2, "ragged"), (3, "ragged")]


def test_an_unclosed_quote_costs_its_own_line_only(path: Path) -> None:
    good = b"".join(b"g%d,x\n" % number for number in range(20_000))
    found, faults = _read(path, b'id,note\na,"5 inch\nb,y\n' + good + b'c,"\nd,z\n')
    assert faults == [(2, "ragged"), (20_004, "ragged")]
    assert [line for line, _ in found] == [3, *range(4, 20_004), 20_005]


def test_a_cell_without_end_is_one_bad_row(path: Path) -> None:
    found, faults = _read(path, b"id,note\na," + b"x" * 200_000 + b"\nb,y\n")
    assert found == [(3, {"id": "b", "note": "y"})]
    assert faults == [(2, "ragged")]


def test_bytes_that_are_not_utf8_do_not_stop_the_reading(path: Path) -> None:
    found, _ = _read(path, b"id,note\na,\xff\xfe\nb,\xd1\x8f\n")
    assert found == [(2, {"id": "a", "note": "\udcff\udcfe"}), (3, {"id": "b", "note": "я"})]


def test_a_header_that_cannot_be_trusted_stops_it(path: Path) -> None:
    for header, why in [
        (b"id,colour\n", "column 'colour' is not part of the record"),
        (b"note\n", "required columns are missing: id"),
        (b"id,note,id\n", "column 'id' is there twice"),
        (b"", "required columns are missing: id"),
        (b"id;note\n", "its cells are parted by semicolons"),
        ("id\n".encode("utf-16"), "its text is UTF-16"),
    ]:
        with pytest.raises(InputError, match=why):
            _read(path, header)


def test_ignored_columns_are_not_read(path: Path) -> None:
    found, _ = _read(path, b"id,colour,note\na,red,x\n", ignored=("colour",))
    assert found == [(2, {"id": "a", "note": "x"})]


LINES = [b"a,b,c,d\n", b'"a,b,c,d\n', b'a,b,c,"\n', b'"",b,c,d\n', b"\n", b"a\n", b'"x\ny",b,c,d\n']


@settings(deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_whatever_the_quotes_do_a_good_line_is_never_lost(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.csv"
    found, faults = _read(path, b"id,tags,flag,note\n" + b"".join(lines))
    starts = [line for line, _ in found] + [line for line, _ in faults]
    assert len(set(starts)) == len(starts)
    physical = b"".join(lines).splitlines()
    good = {2 + at for at, line in enumerate(physical) if line == b"a,b,c,d"}
    assert good <= {line for line, _ in found}


CELLS = st.text('a,"\n\r', max_size=4)  # too short to hold a line that looks like a row of four


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=6))
def test_whatever_a_writer_quotes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "quoted.csv"
    out = StringIO(newline="")
    names = ("id", "note", "more", "last")
    csv.writer(out).writerows([names, *rows])
    path.write_bytes(out.getvalue().encode())
    read = FileRows(path, ColumnLayout(names, frozenset({"id"})))
    found = [tuple(cells.get(name, "") for name in names) for _, chunk in read for cells in chunk]
    assert (found, read.faults) == (rows, [])
