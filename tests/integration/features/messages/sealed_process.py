"""Documents translated in processes that may open nothing, each bounded in time and memory.

``python -m tests.integration.features.messages.sealed_process`` reads documents from standard
input, each with its length before it, and writes one JSON line for each. Every document has a
process of its own, a fork of this one, which the kernel kills if it opens a file, a socket or
another program (a seccomp filter, as strict as a trace that must stay empty), or takes more than a
second of processor time. The parsers are loaded before.
"""

import ctypes
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from struct import pack, unpack
from typing import Any

from features.messages import documents as xml_reader
from features.messages.settings import MessageSettings
from features.messages.translation import translate_document

SECONDS = 1
_ROOT = Path(__file__).parents[4]
_LENGTH = "<q"
_MACHINES = {
    # Number of the architecture, and of: open, creat, openat, openat2, socket, connect, execve,
    # execveat.
    "x86_64": (0xC000003E, (2, 85, 257, 437, 41, 42, 59, 322)),
    "aarch64": (0xC00000B7, (56, 437, 198, 203, 221, 281)),
}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _statement(code: int, value: int, *, jump: tuple[int, int] = (0, 0)) -> bytes:
    return pack("HBBI", code, *jump, value)


def seal() -> None:
    """Let the kernel kill this process as soon as it opens anything; it cannot be undone."""
    architecture, numbers = _MACHINES[platform.machine()]
    left = range(len(numbers), 0, -1)
    lines = [
        _statement(_LOAD, 4),
        _statement(_JUMP_IF_EQUAL, architecture, jump=(1, 0)),
        _statement(_RETURN, _KILL),
        _statement(_LOAD, 0),
        *(_statement(_JUMP_IF_EQUAL, n, jump=(at, 0)) for n, at in zip(numbers, left, strict=True)),
        _statement(_RETURN, _ALLOW),
        _statement(_RETURN, _KILL),
    ]
    code = ctypes.create_string_buffer(b"".join(lines))
    program = _Program(len(lines), ctypes.addressof(code))
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        _SECCOMP, _FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the process could not be sealed")


def plant(bug: str) -> None:
    """Put a seeded bug into the reader: limits off, or entities and DTDs on."""
    if bug == "limits":
        for name in ("MAX_ELEMENTS", "MAX_SIBLINGS", "MAX_GROUPS", "MAX_ALL_ATTRIBUTES"):
            setattr(xml_reader, name, 1 << 40)
    if bug == "entities":
        library: Any = vars(xml_reader)["etree"]
        strict = library.XMLParser
        trusting = {"resolve_entities": True, "load_dtd": True, "no_network": False}
        library.XMLParser = lambda **given: strict(**given | trusting)
        for name in ("_has_doctype", "_doctype_of"):
            setattr(xml_reader, name, lambda _: False)


def translate_sealed(documents: Sequence[bytes], bug: str = "") -> list[dict[str, Any]]:
    """Return for each document its status and rule, the signal that ended it, and its memory."""
    given = b"".join(pack(_LENGTH, len(data)) + data for data in documents)
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.features.messages.sealed_process", bug],
        input=given,
        capture_output=True,
        check=True,
        cwd=_ROOT,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _read_documents() -> Iterable[bytes]:
    while head := sys.stdin.buffer.read(8):
        yield sys.stdin.buffer.read(*unpack(_LENGTH, head))


def _translate(data: bytes) -> dict[str, Any]:
    """Translate one document in a process of its own."""
    read, write = os.pipe()
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        seal()
        found = translate_document(data, MessageSettings())
        os.write(write, json.dumps([found.status, found.rule]).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        status, rule = json.loads(answer.read() or b"[null, null]")
    _, ended, used = os.wait4(child, 0)
    signal = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
    return {"status": status, "rule": rule, "signal": signal, "kilobytes": used.ru_maxrss}


def main() -> None:
    """Translate what comes, one after the other."""
    encodings = ("utf-16", "utf-32", "utf-7", "windows-1251", "iso-8859-1", "no")
    for encoding in encodings:  # what parsers load from the system once
        head = f'<?xml version="1.0" encoding="{encoding}"?><ASYCUDA/>'.encode()
        translate_document(head, MessageSettings())
        if encoding != "no":
            text = head.decode().encode(encoding)
            translate_document(text, MessageSettings())
    plant(sys.argv[1] if len(sys.argv) > 1 else "")
    for data in _read_documents():
        print(json.dumps(_translate(data)), flush=True)


if __name__ == "__main__":
    main()
