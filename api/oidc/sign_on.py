"""Sign-on by the mapping in force: from a person at the provider to a session here.

What is recorded is a keyed digest of issuer and subject, which rules held, and the session: no
claim, no name. The key of that digest and the client's secret are files among the keys of a home.
Runs on threads of its own, because the provider may be slow.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin

from api.auth.agencies import agencies_by_post
from api.auth.authority import Authority, PersonGrant
from api.auth.credentials import commitment_of, purpose_digest
from api.auth.oidc_mapping import (
    PREFIX,
    Grant,
    MissingGrantError,
    OidcMapping,
    Rules,
    check_mapping,
    read_mapping,
)
from api.auth.sessions import NewSession, Sessions
from api.oidc.attempts import Attempt, Refusal, SignOnError, new_attempt, parse_attempt
from api.proposals.matters import BY_GOVERNORS, ProposalMatter, Step, name_at_random
from api.service.sign_in import SignOnPort
from engine.criteria.dual_control import ApprovalState
from engine.domain.records import Record
from engine.errors import HomeError
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import OIDC_GRANTED, OidcGrantBody
from engine.storage.database import Store
from engine.storage.home import Home, read_secret

if TYPE_CHECKING:
    from api.oidc.provider import Provider

SUBJECTS_FILE = "oidc-subjects"
"""Key by which issuer and subject become a name; made with the first mapping."""
CLIENT_FILE = "oidc-client-secret"
"""What the provider gave this service as its password; none where it gave none."""
_BYTES = 32


def open_subject_key(home: Home) -> bytes:
    """Return the key of subjects, made on first use; raises ``HomeError``."""
    return read_secret(home.keys / SUBJECTS_FILE, lambda: secrets.token_bytes(_BYTES))


def find_subject_key(home: Home) -> bytes | None:
    """Return the key of subjects, None where there is none; raises ``HomeError``."""
    return open_subject_key(home) if (home.keys / SUBJECTS_FILE).exists() else None


def read_client_secret(home: Home) -> str | None:
    """Return the client secret, None where there is none; raises ``HomeError``."""
    if not (home.keys / CLIENT_FILE).exists():
        return None
    found = read_secret(home.keys / CLIENT_FILE, bytes).strip()
    if not found or not found.isascii():
        raise HomeError(CLIENT_FILE, "must hold one line of ASCII characters")
    return found.decode("ascii")


_NAME_DIGITS = 20
"""Hex digits of a subject's digest in the name of its account: 80 bits."""
_LONGEST_CODE = 4096
_MISSING = {"role": Refusal.NO_ROLE, "post": Refusal.NO_POST, "agency": Refusal.NO_AGENCY}


@dataclass(frozen=True, slots=True)
class SignedOn:
    """A session that claims opened, and the path that the person wanted."""

    session: NewSession
    wanted: str


@dataclass(frozen=True, slots=True)
class _Trust:
    """The mapping in force with its record's number, and the key of its subjects."""

    mapping: OidcMapping
    sequence: int
    subject_key: bytes

    def name(self, subject: str) -> str:
        """Return the name of a subject's account: who lacks the key can tell no one by it."""
        text = f"{self.mapping.issuer}\0{subject}"
        return PREFIX + purpose_digest("oidc-subject", text, self.subject_key).hex()[:_NAME_DIGITS]


class SignOn(SignOnPort):
    """Opens sessions for people whom the identity provider vouches for."""

    def __init__(
        self,
        home: Home,
        store: Store,
        submit: Callable[[Draft], "Future[Entry]"],
        sessions: Sessions,
        *,
        authority: Authority,
        pepper: bytes,
        seconds: float,
        skew: int,
    ) -> None:
        """``seconds`` bounds one answer of the provider, ``skew`` the difference of two clocks."""
        self._home = home
        self._store = store
        self._submit = submit
        self._sessions = sessions
        self._authority = authority
        self._pepper = pepper
        self._seconds, self._skew = seconds, skew
        self._lock = Lock()
        self._provider: tuple[tuple[int, str | None], Provider] | None = None

    def is_offered(self) -> bool:
        """Tell whether a mapping is in force."""
        return self._look().oidc.in_force is not None

    def begin(self, wanted: str) -> tuple[str, str]:
        """Return where to send a person, and the cookie of the attempt; raises ``SignOnError``."""
        provider = self._open(self._trust())
        attempt = new_attempt(quote(wanted, safe=""), now=time.time())
        address = provider.authorization_address(
            state=attempt.state(self._pepper),
            nonce=attempt.nonce(self._pepper),
            verifier=attempt.verifier(self._pepper),
        )
        return address, attempt.cookie

    def complete(self, cookie: str, answer: Mapping[str, str]) -> SignedOn:
        """Return the session of a person who comes back; raises ``SignOnError``.

        ``answer`` holds the query that the provider sent along, each name once.
        """
        trust, attempt = self._trust(), parse_attempt(cookie)
        if attempt is None or not attempt.fits(
            answer.get("state", ""), self._pepper, now=time.time()
        ):
            raise SignOnError(Refusal.STALE)
        name = commitment_of(attempt.state(self._pepper))
        if self._look().is_used(name):
            raise SignOnError(Refusal.STALE)
        claims = self._ask(trust, attempt, answer)
        account, grant = self._record_grant(trust, claims)
        named = {"mapping": trust.sequence, "attempt": name}
        session = self._sessions.begin(account, grant.role, oidc=named)
        return SignedOn(session, unquote(attempt.wanted))

    def end_session_address(self) -> str | None:
        """Return where a person signs out of the provider too, None where that is not possible."""
        try:
            trust = self._trust()
            back = urljoin(trust.mapping.redirect_uri, "/login")
            return self._open(trust).end_session_address(back)
        except SignOnError:
            return None

    def _ask(self, trust: _Trust, attempt: Attempt, answer: Mapping[str, str]) -> Mapping[str, Any]:
        provider = self._open(trust)
        provider.check_origin(answer.get("iss"))
        code = answer.get("code", "")
        if "error" in answer or not 0 < len(code) <= _LONGEST_CODE:
            raise SignOnError(Refusal.DECLINED)
        return provider.exchange(
            code,
            verifier=attempt.verifier(self._pepper),
            nonce=attempt.nonce(self._pepper),
        )

    def _record_grant(self, trust: _Trust, claims: Mapping[str, Any]) -> tuple[str, Grant]:
        """Record what claims grant where that changed; raises ``SignOnError``."""
        name = trust.name(str(claims["sub"]))
        known = self._look().subject(name)
        if known is not None and known.is_removed:
            raise SignOnError(Refusal.REMOVED)
        try:
            rules = trust.mapping.match(claims)
        except MissingGrantError as error:
            if known is not None and known.mapping:
                self._record(trust, name, Rules(None, None, None), None)
            raise SignOnError(_MISSING[error.what]) from None
        grant = trust.mapping.resolve(rules)
        if known is None or not _is_same(known, grant, trust.sequence):
            self._record(trust, name, rules, grant)
        if self._look().person(name) is None:
            raise SignOnError(Refusal.REMOVED)
        return name, grant

    def _record(self, trust: _Trust, name: str, rules: Rules, grant: Grant | None) -> None:
        body: OidcGrantBody = {"mapping": trust.sequence, "rules": rules.dump()}
        if grant is not None:
            body["role"] = grant.role.value
        if grant is not None and grant.agency is not None:
            body["agency"] = grant.agency
        post = "" if grant is None else grant.post or ""
        self._submit(OIDC_GRANTED.draft(name, body, post=post)).result()

    def _trust(self) -> _Trust:
        oidc = self._look().oidc
        mapping, sequence, content = oidc.in_force, oidc.sequence, oidc.content
        if mapping is None:
            raise SignOnError(Refusal.NOT_OFFERED)
        try:
            key = find_subject_key(self._home)
        except HomeError:
            key = None
        if key is None or not hmac.compare_digest(commitment_of(key), str(content["subjects"])):
            raise SignOnError(Refusal.MISCONFIGURED)
        return _Trust(mapping, sequence, key)

    def _open(self, trust: _Trust) -> "Provider":
        """Return the provider of a mapping; what it stands on is loaded here, with the first."""
        from api.oidc.provider import Provider

        try:
            secret = read_client_secret(self._home)
        except HomeError:
            raise SignOnError(Refusal.MISCONFIGURED) from None
        asked = (trust.sequence, secret)
        with self._lock:
            if self._provider is None or self._provider[0] != asked:
                made = Provider(trust.mapping, secret, seconds=self._seconds, skew=self._skew)
                self._provider = (asked, made)
            return self._provider[1]

    def _look(self) -> Authority:
        with self._store.read() as connection:
            return self._authority.look(connection)


def _is_same(known: PersonGrant, grant: Grant, sequence: int) -> bool:
    had = Grant(known.role, known.post, known.agency), known.mapping
    return had == (grant, sequence)


class MappingProposal(Record):
    """A mapping, with the SHA-256 of the file that it was read from."""

    mapping: OidcMapping
    file: str


def load_mapping(path: Path) -> MappingProposal:
    """Read a mapping from its file; raises ``InputError``."""
    mapping, digest = read_mapping(path)
    return MappingProposal(mapping=mapping, file=digest)


def _prepare(step: Step, proposed: MappingProposal) -> Mapping[str, Any]:
    """Return the mapping as it is recorded.

    The record commits to the key that turns subjects into names: with another key the same subject
    would be another person.
    """
    network = step.service.network
    agencies = frozenset().union(*agencies_by_post(network).values())
    check_mapping(proposed.mapping, network.posts, agencies)
    return {
        "mapping": proposed.mapping.model_dump(mode="json"),
        "file": proposed.file,
        "subjects": commitment_of(open_subject_key(step.service.home)),
        "instead_of": step.service.accounts.look().oidc.sequence,
    }


def _find_end(step: Step, state: ApprovalState) -> str:
    is_open = state.content["instead_of"] == step.service.accounts.look().oidc.sequence
    return "" if is_open else "another one is in force since"


OIDC = ProposalMatter(
    name="oidc",
    content=MappingProposal,
    **BY_GOVERNORS,
    subject=name_at_random("oidc"),
    prepare=_prepare,
    find_end=_find_end,
    load=load_mapping,
    file="oidc.toml",
)
"""What an earlier mapping granted, and sessions by it, are over when another comes into force."""
