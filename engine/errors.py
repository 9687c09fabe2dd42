"""Everything that can go wrong on purpose, as facts a caller can act on.

No error here knows HTTP: ``api.http.problems`` maps each class to a status, and a test fails when
one is missing. Plain ``__init__`` methods, because a dataclass exception raised with keywords
cannot be unpickled from a joblib worker.
"""


class RiskError(Exception):
    """Base of every error this project raises on purpose."""


class RecordError(RiskError):
    """A record breaks a rule of its definition; names the field and the rule, never the value."""

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
    """The network file names no post with this code."""

    def __init__(self, post: str) -> None:
        super().__init__(post)
        self.post = post

    def __str__(self) -> str:
        return f"no post {self.post!r} in the network file"


class TooManyAmendmentsError(RiskError):
    """A movement was amended as often as it may be."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"a movement may be amended {self.most} times within 24 hours"


class NotFoundError(RiskError):
    """Nothing of this kind has this identifier, or the caller may not know that it does."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(kind, identifier)
        self.kind = kind
        self.identifier = identifier

    def __str__(self) -> str:
        return f"no {self.kind} with this identifier"


class ConflictError(RiskError):
    """The same identifier came again with other content, or a state forbids the step."""

    def __init__(self, kind: str, identifier: str, why: str) -> None:
        super().__init__(kind, identifier, why)
        self.kind = kind
        self.identifier = identifier
        self.why = why

    def __str__(self) -> str:
        return f"this {self.kind} conflicts with what is recorded: {self.why}"


class StoreUnavailableError(RiskError):
    """The store did not take the record; nothing was acknowledged, the caller may try again."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the store is not available: {self.why}"


class TamperedBundleError(RiskError):
    """A model bundle's files do not match its signed manifest, or hold what is not allowed."""

    def __init__(self, bundle: str, why: str) -> None:
        super().__init__(bundle, why)
        self.bundle = bundle
        self.why = why

    def __str__(self) -> str:
        return f"bundle {self.bundle} is refused: {self.why}"


class NoModelError(RiskError):
    """The home holds no model of this version, or none in force."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"no model {self.version}"


class PromotionRefusedError(RiskError):
    """A model may not take the next step; says which condition is missing."""

    def __init__(self, version: str, why: str) -> None:
        super().__init__(version, why)
        self.version = version
        self.why = why

    def __str__(self) -> str:
        which = f"model {self.version} is not" if self.version else "no model is"
        return f"{which} promoted: {self.why}"


class ProfileRefusedError(RiskError):
    """A profile's expression is not one that may run; says where in it and why."""

    def __init__(self, why: str, at: int = 1) -> None:
        super().__init__(why, at)
        self.why = why
        self.at = at
        self.fields = ({"at": "expression", "rule": "expression", "why": why},)

    def __str__(self) -> str:
        return f"the expression is refused, {self.why}"


class SecondPersonError(RiskError):
    """Whoever proposed something, or wrote it, may not approve it."""

    def __init__(self, matter: str, why: str) -> None:
        super().__init__(matter, why)
        self.matter = matter
        self.why = why

    def __str__(self) -> str:
        return f"this {self.matter} needs a second person: {self.why}"


class LapsedProposalError(RiskError):
    """What waits was begun by a person who was removed since, or by a key without an owner."""

    def __init__(self, matter: str) -> None:
        super().__init__(matter)
        self.matter = matter

    def __str__(self) -> str:
        return (
            f"this {self.matter} waits on a step of a person who has left, or of a key without an"
            " owner: propose it again"
        )


class BusyError(RiskError):
    """What was asked takes long and is under way for somebody else; try again later."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}; try again later"


class NotEnoughDataError(RiskError):
    """A model or an estimate was asked of data that cannot carry it."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)
        self.what = what
        self.why = why

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class NotAuthenticatedError(RiskError):
    """No valid key or session came with the request."""

    def __str__(self) -> str:
        return "a valid key or session is needed"


class NotAllowedError(RiskError):
    """The caller's role or post does not reach this; ``cause`` says to a page which of these it is.

    It is ``role``, ``post``, ``form`` (too old) or ``site`` (another one's).
    """

    def __init__(self, why: str, cause: str = "role") -> None:
        super().__init__(why, cause)
        self.why = why
        self.cause = cause

    def __str__(self) -> str:
        return self.why


class HomeError(RiskError):
    """The home directory, or a file of it, is missing or not usable."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class InputError(RiskError):
    """A file or a folder that the caller named cannot be used; says which and why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class ServiceStartError(RiskError):
    """A service of ours, in a process of its own, did not become ready."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the service did not start: {self.why}"


class BodyTooLargeError(RiskError):
    """A request body is longer than this service reads."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the body is longer than {self.limit} bytes"


class MalformedBodyError(RiskError):
    """A request body is no JSON this service reads, or breaks the rules of its record."""

    def __init__(self, why: str, fields: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(why, fields)
        self.why = why
        self.fields = fields

    def __str__(self) -> str:
        return self.why


class AmbiguousHeadError(RiskError):
    """A request's head can be read in two ways."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return self.why
