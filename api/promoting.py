"""One person's approval of a model, from the command line and over HTTP alike."""

from api.roles import Role
from engine.errors import NotAllowedError
from engine.home import Home
from engine.journal import Journal
from engine.store import Store
from models.bundle import file_digest, load_bundle, signing_key
from models.promotion import State, approve
from models.promotions import PromotionProjection, read_state

APPROVERS = (Role.ANALYST, Role.SUPERVISOR)


def approved(home: Home, store: Store, version: str, *, by: str, role: Role) -> State:
    """Record one approval and return where the models stand; the second puts it into force.

    Raises ``PromotionRefusedError``, ``TamperedBundleError``, ``NoModelError``, or
    ``NotAllowedError`` for a role that does not approve models.
    """
    if role not in APPROVERS:
        raise NotAllowedError("models are approved by analysts and supervisors")
    bundle = home.bundles / version
    load_bundle(bundle, signing_key(home).public_key())
    journal = Journal(store, [PromotionProjection()])
    with store.read() as connection:
        now = read_state(connection)
    journal.append(approve(now, version, by=by, manifest=file_digest(bundle / "manifest.json")))
    with store.read() as connection:
        return read_state(connection)
