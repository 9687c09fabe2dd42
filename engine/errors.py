"""Errors that this project raises on purpose, with the facts that a caller needs to act on them.

No error here knows HTTP: ``api.http.problems`` maps each class to a status, and a test fails when
one is missing. Plain ``__init__`` methods, because a dataclass exception raised with keywords
cannot be unpickled from a joblib worker.
"""

from collections.abc import Mapping
from typing import Any


class RiskError(Exception):
    """Base of every error this project raises on purpose."""


class RecordError(RiskError):
    """A record breaks a rule of its definition: names the field and the rule, never the value."""

    def __init__(self, record: str, field: str, rule: str, message: str) -> None:
        super().__init__(record, field, rule, message)
        self.record = record
        self.field = field
        self.rule = rule
        self.message = message
        self.fields = ({"at": f"{record}.{field}", "rule": rule, "why": message},)

    def __str__(self) -> str:
        return f"{self.record}, field {self.field}: {self.message} ({self.rule})"


class UnknownPostError(RiskError):
    """The network file has no post with this code."""

    def __init__(self, post: str) -> None:
        super().__init__(post)
        self.post = post

    def __str__(self) -> str:
        return f"the network file has no post {self.post!r}"


class TooManyAmendmentsError(RiskError):
    """A movement has reached the limit of amendments."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"a movement can be amended at most {self.most} times within 24 hours"


class NotFoundError(RiskError):
    """No object of this kind has this identifier, or the caller has no access to it."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(kind, identifier)
        self.kind = kind
        self.identifier = identifier

    def __str__(self) -> str:
        return f"there is no {self.kind} with this identifier"


class ConflictError(RiskError):
    """An identifier was sent again with other content, or the present state forbids the step."""

    def __init__(self, kind: str, identifier: str, why: str) -> None:
        super().__init__(kind, identifier, why)
        self.kind = kind
        self.identifier = identifier
        self.why = why

    def __str__(self) -> str:
        return f"this {self.kind} conflicts with the record: {self.why}"


class StoreUnavailableError(RiskError):
    """The store did not accept the record; the caller can try again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the store is not available: {self.why}"


class TamperedBundleError(RiskError):
    """Files of a model bundle do not match its signed manifest, or are not allowed."""

    def __init__(self, bundle: str, why: str) -> None:
        super().__init__(bundle, why)
        self.bundle = bundle
        self.why = why

    def __str__(self) -> str:
        return f"bundle {self.bundle} was refused: {self.why}"


class NoModelError(RiskError):
    """The home has no model of this version, or no model in force."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"there is no model {self.version}"


class PromotionRefusedError(RiskError):
    """A model cannot take the next step of its promotion; names the condition that is not met."""

    def __init__(self, version: str, why: str) -> None:
        super().__init__(version, why)
        self.version = version
        self.why = why

    def __str__(self) -> str:
        which = f"model {self.version} is not" if self.version else "no model is"
        return f"{which} promoted: {self.why}"


class ProfileRefusedError(RiskError):
    """The expression of a profile is not allowed; gives the position in it and the reason."""

    def __init__(self, why: str, at: int, message: str, parameters: Mapping[str, Any]) -> None:
        """``message`` is the identifier of ``why``, and ``parameters`` are its values."""
        super().__init__(why, at, message, parameters)
        self.why = why
        self.at = at
        self.message = message
        self.parameters = parameters
        self.fields = (
            {
                "at": "expression",
                "rule": "expression",
                "why": f"position {at}: {why}",
                "position": at,
                "message": message,
                "parameters": parameters,
            },
        )

    def __str__(self) -> str:
        return f"the expression was refused, position {self.at}: {self.why}"


class SecondPersonError(RiskError):
    """A person tried to approve what the same person wrote or proposed."""

    def __init__(self, matter: str, why: str) -> None:
        super().__init__(matter, why)
        self.matter = matter
        self.why = why

    def __str__(self) -> str:
        return f"this {self.matter} needs the approval of a second person: {self.why}"


class LapsedProposalError(RiskError):
    """A pending step was taken by a person who was removed since, or by a key without an owner."""

    def __init__(self, matter: str) -> None:
        super().__init__(matter)
        self.matter = matter

    def __str__(self) -> str:
        return (
            f"the pending step of this {self.matter} was taken by a person who was removed, or by a"
            " key without an owner: propose it again"
        )


class BusyError(RiskError):
    """A long computation is already running for another caller; try again later."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}; try again later"


class NotEnoughDataError(RiskError):
    """The data are too few for the model or the estimate that was requested."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)
        self.what = what
        self.why = why

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class NotAuthenticatedError(RiskError):
    """The request has no valid key or session."""

    def __str__(self) -> str:
        return "a valid key or session is required"


class NotAllowedError(RiskError):
    """The caller's role or post does not permit this.

    ``cause`` tells a page why: ``role``, ``post``, ``form`` (it is too old) or ``site`` (the
    request comes from another site).
    """

    def __init__(self, why: str, cause: str = "role") -> None:
        super().__init__(why, cause)
        self.why = why
        self.cause = cause

    def __str__(self) -> str:
        return self.why


class HomeError(RiskError):
    """The home directory or one of its files is missing or cannot be used."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class InputError(RiskError):
    """A file or folder named by the caller cannot be used; gives its name and the reason."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class ServiceStartError(RiskError):
    """A service that was started in a process of its own did not become ready."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the service did not start: {self.why}"


class BodyTooLargeError(RiskError):
    """A request body is longer than the limit of this service."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the request body is longer than {self.limit} bytes"


class MalformedBodyError(RiskError):
    """A request body is not valid JSON, or breaks a rule of its record."""

    def __init__(self, why: str, fields: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(why, fields)
        self.why = why
        self.fields = fields

    def __str__(self) -> str:
        return self.why


class AmbiguousHeadError(RiskError):
    """The head of a request can be read in two ways."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why
