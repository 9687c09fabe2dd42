"""A form with a file, which is read as it arrives.

A browser sends the fields of a form in the order of its page, so the token that says whose form it
is comes before the file, and a form without it is refused before a byte of the file is kept. The
name of the file is not read, because names of files hold names of persons.
"""

from collections import deque
from collections.abc import AsyncIterator

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.auth.sessions import check_origin, token_of
from api.http.request_bodies import stream_bounded
from api.service.runtime import Runtime
from api.web.visitor import MOST_FIELDS, TOKEN, Form, read_field
from engine.errors import MalformedBodyError, NotAllowedError
from engine.files.content import LARGEST_FILE

MOST_TEXT = 16 * 1024
"""Bytes of all fields but the file."""
_LONGEST = 3 * LARGEST_FILE + MOST_TEXT
"""Bytes that are read, and not kept, so that a browser shows why a file is too large."""
_UNREADABLE = "the form cannot be read"


class UploadedForm:
    """One request's form; its fields are read before its file."""

    def __init__(self, request: Request, *, limit: int) -> None:
        """``limit`` bounds the bytes of the whole request; raises ``MalformedBodyError``."""
        self._pieces = stream_bounded(request, limit)
        self._parser = MultipartParser(
            _find_boundary(request),
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )
        self._name, self._value, self._text = bytearray(), bytearray(), bytearray()
        self._field: str | None = None
        self._fields: dict[str, list[str]] = {}
        self._content: deque[bytes] = deque()
        self._left = MOST_TEXT
        self._has_file = self._is_ended = False

    async def read_fields(self) -> Form:
        """Return the fields that come before the file."""
        while not self._has_file and await self._advance():
            pass
        return self._fields

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the content of the file, nothing where the form has none."""
        while True:
            while self._content:
                yield self._content.popleft()
            if not await self._advance():
                return

    async def drain(self) -> None:
        """Read the rest and keep none of it: a browser shows no answer before it has sent all."""
        async for _ in self._pieces:
            pass

    async def _advance(self) -> bool:
        """Read the next piece; tell whether there was one."""
        try:
            self._parser.write(await anext(self._pieces))
        except StopAsyncIteration:
            if not self._is_ended:
                raise MalformedBodyError(_UNREADABLE) from None
            return False
        except FormParserError:
            raise MalformedBodyError(_UNREADABLE) from None
        return True

    def _begin_part(self) -> None:
        if self._has_file or sum(map(len, self._fields.values())) >= MOST_FIELDS:
            raise MalformedBodyError("the file comes last in a form, and there is one")
        self._field = None

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, about = parse_options_header(self._value.decode("latin-1"))
            self._field = about.get(b"name", b"").decode("latin-1")
            self._has_file = b"filename" in about
        self._name.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        if not self._field:
            raise MalformedBodyError(_UNREADABLE)

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._has_file:
            self._content.append(data[start:end])
            return
        self._left -= end - start
        if self._left < 0:
            raise MalformedBodyError("the fields of the form are too long")
        self._text += data[start:end]

    def _end_part(self) -> None:
        if self._has_file or self._field is None:
            return
        try:
            self._fields.setdefault(self._field, []).append(self._text.decode())
        except UnicodeDecodeError:
            raise MalformedBodyError(_UNREADABLE) from None
        self._text.clear()

    def _end(self) -> None:
        self._is_ended = True


def _find_boundary(request: Request) -> bytes:
    """Return what separates the parts of a request's form; raises ``MalformedBodyError``."""
    media_type, about = parse_options_header(request.headers.get("content-type", ""))
    boundary = about.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not 0 < len(boundary) <= 70:
        raise MalformedBodyError(_UNREADABLE)
    return boundary


async def open_form(
    request: Request, service: Runtime, *, limit: int = _LONGEST
) -> tuple[UploadedForm, Form]:
    """Return a form with its fields, before its file; raises ``NotAllowedError``."""
    check_origin(request, is_owed=False)  # the token says it is a page of ours
    form = UploadedForm(request, limit=limit)
    fields = await form.read_fields()
    if not service.sessions.is_form_token(read_field(fields, TOKEN), token_of(request)):
        raise NotAllowedError("the form is too old: open its page again", "form")
    return form, fields
