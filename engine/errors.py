"""Errors that this project raises on purpose, with the facts that a caller needs to act on them.

No error here knows HTTP: ``api.http.problems`` maps each class to a status, and a test fails when
one is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform


@dataclass_transform(eq_default=False)
class RiskError(Exception):
    """Base of every error this project raises on purpose; each is a dataclass of its facts.

    >>> str(NotFoundError("post", identifier="XYZ"))
    'there is no post with this identifier'
    """

    TEXT: ClassVar = ""
    """Its sentence, with the facts by their names."""

    def __init_subclass__(cls) -> None:
        dataclass(eq=False)(cls)

    def __str__(self) -> str:
        return self.TEXT.format(**vars(self))

    def __reduce__(self) -> tuple[type[Any], tuple[Any, ...]]:
        """Name the facts in order: ``args`` lacks those given by keyword, and joblib pickles."""
        return type(self), tuple(getattr(self, fact.name) for fact in fields(self))  # type: ignore[arg-type]


class RecordError(RiskError):
    """A record breaks a rule of its definition: names the field and the rule, never the value."""

    record: str
    field: str
    rule: str
    message: str
    TEXT = "{record}, field {field}: {message} ({rule})"

    @property
    def fields(self) -> tuple[dict[str, str], ...]:
        """Where it breaks which rule, as a problem names it."""
        return ({"at": f"{self.record}.{self.field}", "rule": self.rule, "why": self.message},)


class UnknownPostError(RiskError):
    """The network file has no post with this code."""

    post: str
    TEXT = "the network file has no post {post!r}"


class TooManyAmendmentsError(RiskError):
    """A movement has reached the limit of amendments."""

    most: int
    TEXT = "a movement can be amended at most {most} times within 24 hours"


class NotFoundError(RiskError):
    """No object of this kind has this identifier, or the caller has no access to it."""

    kind: str
    identifier: str
    TEXT = "there is no {kind} with this identifier"


class ErasedError(NotFoundError):
    """An object whose record stands in the journal without its body, which was erased."""

    TEXT = "the {kind} with this identifier was erased; its hash is still in the journal"


class ConflictError(RiskError):
    """An identifier was sent again with other content, or the present state forbids the step."""

    kind: str
    identifier: str
    why: str
    at: str = ""
    """The field or header that holds an identifier which is taken; empty for a forbidden step."""
    TEXT = "this {kind} conflicts with the record: {why}"

    @property
    def fields(self) -> tuple[dict[str, str], ...]:
        """Which identifier is taken, as a problem names it."""
        return ({"at": self.at, "rule": "taken", "why": self.why},) if self.at else ()


class FilesFullError(RiskError):
    """A case or a vehicle holds as many files, or as many bytes of files, as it may."""

    holder: str
    """``case`` or ``vehicle``."""
    files: int
    megabytes: int
    TEXT = "the {holder} has no room for this file: {files} files and {megabytes} MB at most"


class StoreUnavailableError(RiskError):
    """The store did not accept the record; the caller can try again."""

    why: str
    TEXT = "the store is not available: {why}"


class DamagedStoreError(StoreUnavailableError):
    """What the store holds cannot be right; names the table and the row, if they are known."""

    table: str = ""
    key: str = ""
    TEXT = "the store is damaged: {why}"


class OtherSideError(RiskError):
    """The other side of a link was not reached, or did not answer as agreed; try again later.

    ``cause`` is a code from a closed list. If a certificate has expired or is not valid yet, ``at``
    is the instant at which its validity ends or begins (RFC 3339; empty if that is not known).
    """

    cause: str
    why: str
    at: str = ""
    TEXT = "the other side of the link: {why}"


class TamperedBundleError(RiskError):
    """Files of a model bundle do not match its signed manifest, or are not allowed."""

    bundle: str
    why: str
    TEXT = "bundle {bundle} was refused: {why}"


class NoModelError(RiskError):
    """The home has no model of this version, or no model in force."""

    version: str
    TEXT = "there is no model {version}"


class PromotionRefusedError(RiskError):
    """A model cannot take the next step of its promotion; names the condition that is not met."""

    version: str
    why: str
    message: str
    """Identifier of ``why``."""
    parameters: Mapping[str, Any]

    @property
    def fields(self) -> tuple[dict[str, Any], ...]:
        """Which rule is broken, as a problem names it."""
        about = {"why": self.why, "message": self.message, "parameters": self.parameters}
        return ({"at": "", "rule": "promotion"} | about,)

    def __str__(self) -> str:
        which = f"model {self.version} is not" if self.version else "no model is"
        return f"{which} promoted: {self.why}"


class ProfileRefusedError(RiskError):
    """The expression of a profile is not allowed; gives the position in it and the reason."""

    why: str
    at: int
    message: str
    """Identifier of ``why``."""
    parameters: Mapping[str, Any]
    TEXT = "the expression was refused, position {at}: {why}"

    @property
    def fields(self) -> tuple[dict[str, Any], ...]:
        """Where it breaks which rule, as a problem names it."""
        about = {"position": self.at, "message": self.message, "parameters": self.parameters}
        why = f"position {self.at}: {self.why}"
        return ({"at": "expression", "rule": "expression", "why": why} | about,)


class SecondPersonError(RiskError):
    """A person tried to approve what the same person wrote or proposed.

    ``cause`` is ``human`` where two accounts may be of one person.
    """

    matter: str
    why: str
    cause: str = ""
    TEXT = "this {matter} needs the approval of a second person: {why}"


class LapsedProposalError(RiskError):
    """A pending step was taken by a person who was removed since, or by a key without an owner."""

    matter: str
    TEXT = (
        "the pending step of this {matter} was taken by a person who was removed, or by a"
        " key without an owner: propose it again"
    )


class BusyError(RiskError):
    """A long computation is already running for another caller; try again later."""

    what: str
    TEXT = "{what}; try again later"


class TooCostlyError(RiskError):
    """Content that takes more processor time or memory than one request may."""

    what: str
    TEXT = "the {what} takes more time or memory than one request may"


class NotEnoughDataError(RiskError):
    """The data are too few for the model or the estimate that was requested."""

    what: str
    why: str
    TEXT = "{what}: {why}"


class NotAuthenticatedError(RiskError):
    """The request has no valid key or session."""

    TEXT = "a valid key or session is required"


class NotAllowedError(RiskError):
    """The caller's role or post does not permit this.

    ``cause`` tells a page why: ``role``, ``post``, ``agency`` (the table of agencies), ``form`` (it
    is too old) or ``site`` (the request comes from another site).
    """

    why: str
    cause: str = "role"
    TEXT = "{why}"


class HomeError(RiskError):
    """The home directory or one of its files is missing or cannot be used."""

    path: str
    why: str
    TEXT = "{path}: {why}"


class InputError(RiskError):
    """A file or folder named by the caller cannot be used; gives its name and the reason."""

    path: str
    why: str
    TEXT = "{path}: {why}"


class ServiceStartError(RiskError):
    """A service that was started in a process of its own did not become ready."""

    why: str
    TEXT = "the service did not start: {why}"


class BodyTooLargeError(RiskError):
    """A request body is longer than the limit of this service."""

    limit: int
    TEXT = "the request body is longer than {limit} bytes"


class MalformedBodyError(RiskError):
    """A request body is not valid JSON, or breaks a rule of its record."""

    why: str
    fields: tuple[dict[str, str], ...] = ()
    TEXT = "{why}"


class EnvelopeRefusedError(RiskError):
    """An envelope of a link is refused: names the field and the rule, never the value."""

    field: str
    rule: str
    why: str
    TEXT = "envelope, field {field}: {why} ({rule})"

    @property
    def fields(self) -> tuple[dict[str, str], ...]:
        """Where it breaks which rule, as a problem names it."""
        return ({"at": f"envelope.{self.field}", "rule": self.rule, "why": self.why},)


class MalformedMessageError(RiskError):
    """A standard message cannot be read, or is not safe to read; names the rule and the line."""

    rule: str
    line: int | None = None
    TEXT = "the document was refused ({rule})"

    @property
    def fields(self) -> tuple[dict[str, str], ...]:
        """Which rule is broken where, as a problem names it."""
        where = "" if self.line is None else f"line {self.line}"
        return ({"at": "", "rule": self.rule, "why": where},)


class UnsupportedMessageError(RiskError):
    """A standard message has a root, a namespace or a version that is not known."""

    rule: str
    TEXT = "the document is of no supported format ({rule})"

    @property
    def fields(self) -> tuple[dict[str, str], ...]:
        """Which rule is broken, as a problem names it."""
        return ({"at": "", "rule": self.rule, "why": "docs/messages.md lists what is supported"},)


class AmbiguousHeadError(RiskError):
    """The head of a request can be read in two ways."""

    why: str
    TEXT = "{why}"
