"""Parts by which a service knows its callers: accounts, keys, sessions, sign-on.

A live service and a training home's have the same ones, from the same journal.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypedDict

from api.areas import find_part
from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.callers import Callers
from api.auth.credentials import open_pepper
from api.auth.key_uses import KeyUses
from api.auth.sessions import Sessions
from api.service.executors import Executors
from api.service.metrics import Metrics
from api.service.settings import Settings
from engine.domain.network import Network
from engine.journal.areas import KeyCarrier
from engine.journal.entries import Draft, Entry
from engine.storage.database import Store
from engine.storage.home import Home


class SignOnPort:
    """Sign-on by an identity provider, as pages of the core ask for it.

    Without the area of sign-on people have local accounts alone.
    """

    def is_offered(self) -> bool:
        """Tell whether people can sign on."""
        return False

    def end_session_address(self) -> str | None:
        """Return where a person signs out of the provider too, None where that is not possible."""
        return None


class SignIn(TypedDict):
    """The parts, which ask one authority."""

    accounts: Accounts
    callers: Callers
    sessions: Sessions
    sign_on: SignOnPort


@dataclass(slots=True, kw_only=True)
class SignInService:
    """What identifies callers and visitors, of the service and of an exercise's service."""

    accounts: Accounts
    callers: Callers
    sessions: Sessions
    sign_on: SignOnPort
    metrics: Metrics = field(default_factory=Metrics)
    executors: Executors = field(default_factory=Executors)


def open_sign_in(
    home: Home,
    store: Store,
    submit: Callable[[Draft], "Future[Entry]"],
    *,
    network: Network,
    settings: Settings,
    metrics: Metrics,
    posts: Mapping[str, frozenset[str]] | None = None,
    nodes: KeyCarrier | None = None,
) -> SignIn:
    """Put the parts together; ``submit`` appends to the journal.

    ``posts`` holds the agencies of each post that names any. By ``nodes`` keys of posts with a node
    of their own reach it.
    """
    pepper, refused = open_pepper(home), metrics.refuse_power
    authority = Authority(session_hours=settings.session_hours, posts=posts)
    sessions = Sessions(
        store,
        submit,
        pepper,
        hours=settings.session_hours,
        idle_minutes=settings.session_idle_minutes,
        authority=authority,
        refused=refused,
    )
    sign_on = find_part("sign_on")
    return SignIn(
        accounts=Accounts(store, network, authority=authority, refused=refused, nodes=nodes),
        callers=Callers(
            store,
            pepper,
            believed_seconds=settings.key_seconds,
            authority=authority,
            uses=KeyUses(store, network),
            refused=refused,
        ),
        sessions=sessions,
        sign_on=SignOnPort()
        if sign_on is None
        else sign_on(
            home,
            store,
            submit,
            sessions,
            authority=authority,
            pepper=pepper,
            seconds=settings.oidc_seconds,
            skew=settings.oidc_skew_seconds,
        ),
    )
