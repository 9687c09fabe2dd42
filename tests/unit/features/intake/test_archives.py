"""Archives of bulk folders: what is unpacked, and what is refused before it does harm."""

import io
import json
import stat
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from engine.errors import RecordError
from features.intake import archives
from features.intake.archives import unpack


def make(*names: str, content: bytes = b"a,b\n", kind: int = ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with ZipFile(made, "w", kind) as archive:
        for name in names:
            archive.writestr(name, content)
    return made.getvalue()


def make_link() -> bytes:
    made, entry = io.BytesIO(), ZipInfo("crossings.csv")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(made, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def make_encrypted() -> bytes:
    whole = bytearray(make("crossings.csv"))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + at] |= 1
    return bytes(whole)


def run(root: Path, content: bytes) -> list[str]:
    (root / "archive").write_bytes(content)
    given = json.dumps({"archive": "archive", "folder": "input"}).encode()
    names: list[str] = json.loads(unpack(root, given))
    return names


@pytest.mark.parametrize("top", ["", "year/"])
def test_the_files_of_one_folder_are_unpacked(tmp_path: Path, top: str) -> None:
    names = ["crossings.csv", "network.toml", "m-1.xml"]
    assert run(tmp_path, make(*(top + one for one in names))) == sorted(names)
    assert (tmp_path / "input/crossings.csv").read_bytes() == b"a,b\n"


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        pytest.param(b"", "broken", id="nothing"),
        pytest.param(b"crossing_id,post\n", "broken", id="no archive"),
        pytest.param(make("crossings.csv")[:-30], "broken", id="cut short"),
        pytest.param(
            make("crossings.csv", kind=ZIP_STORED).replace(b"a,b\n", b"a,c\n"),
            "broken",
            id="changed",
        ),
        pytest.param(make(), "empty", id="no file"),
        pytest.param(make("folder/"), "empty", id="a folder alone"),
        pytest.param(make("../crossings.csv"), "unexpected_file", id="folder above"),
        pytest.param(
            make("..\\crossings.csv"), "unexpected_file", id="folder above by a backslash"
        ),
        pytest.param(make("/etc/crossings.csv"), "several_folders", id="folder of the machine"),
        pytest.param(make("a/b/crossings.csv"), "several_folders", id="two folders deep"),
        pytest.param(make("a/crossings.csv", "b/goods.csv"), "several_folders", id="two folders"),
        pytest.param(make("crossings.csv", "run.sh"), "unexpected_file", id="a program"),
        pytest.param(make(".crossings.csv"), "unexpected_file", id="a hidden file"),
        pytest.param(make("crossings.csv\n"), "unexpected_file", id="a line feed in the name"),
        pytest.param(
            make("cr\u043essings.csv"), "unexpected_file", id="a letter that looks like another"
        ),
        pytest.param(make("inner.zip"), "unexpected_file", id="an archive inside"),
        pytest.param(make("crossings.csv", "Crossings.csv"), "file_twice", id="one name twice"),
        pytest.param(
            make("crossings.csv", kind=ZIP_BZIP2), "unexpected_file", id="another compression"
        ),
        pytest.param(make_link(), "unexpected_file", id="a link"),
        pytest.param(make_encrypted(), "encrypted", id="encrypted"),
    ],
)
def test_what_could_do_harm_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    with pytest.raises(RecordError) as refused:
        run(tmp_path, content)
    assert refused.value.rule == rule
    assert {one.name for one in tmp_path.rglob("*") if one.is_file()} <= {
        "archive",
        "crossings.csv",
    }


def test_what_is_written_is_counted(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = make("crossings.csv", "goods.csv", content=bytes(3 << 20))
    monkeypatch.setattr(archives, "MOST_BYTES", 4 << 20)
    with pytest.raises(RecordError) as refused:
        run(tmp_path_factory.mktemp("bomb"), bomb)
    assert refused.value.rule == "unpacks_too_large"
    lying = bomb.replace((3 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(RecordError) as refused:
        run(tmp_path_factory.mktemp("bomb"), lying)
    assert refused.value.rule in ("broken", "unpacks_too_large")
    monkeypatch.setattr(archives, "MOST_BYTES", 8 << 20)  # negative control
    assert len(run(tmp_path_factory.mktemp("bomb"), bomb)) == 2
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    with pytest.raises(RecordError) as refused:
        run(tmp_path_factory.mktemp("bomb"), bomb)
    assert refused.value.rule == "too_many_files"
