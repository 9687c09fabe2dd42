"""The area of webhooks: signed events that go out to other systems."""

from typing import Final, NotRequired

from typing_extensions import TypedDict

from engine.domain.rights import Matter
from engine.journal.areas import Area, RecordRule, TableRule, raise_fault
from engine.journal.entries import Kind
from engine.journal.kinds import ReportBody


class WebhookBody(ReportBody):
    """Where events go, which, and whose view bounds what they hold.

    ``secret`` is no secret: a random name, from which and a key file of the home it is derived.
    """

    url: str
    events: list[str]
    role: str
    agency: NotRequired[str]
    secret: str
    language: NotRequired[str]
    """Of mails and pushes; absent for English."""


class WebhookRotationBody(ReportBody):
    """The name of a new secret, and until when the one before signs too."""

    secret: str
    until: str


class WebhookStepBody(ReportBody):
    """A step about a webhook that says no more than who took it."""


class WebhookDisabledBody(TypedDict):
    """Why the service disabled a webhook, and since when it failed."""

    why: str
    since: str


WEBHOOK_REGISTERED: Final = Kind[WebhookBody]("webhook_registered", "webhook registered")
"""An administrator lets events go out to an address; the subject is the webhook."""
WEBHOOK_ROTATED: Final = Kind[WebhookRotationBody]("webhook_rotated", "secret of a webhook changed")
"""A new secret signs; the one before signs too until ``until``."""
WEBHOOK_RESENT: Final = Kind[WebhookStepBody]("webhook_resent", "events sent again")
"""Everything that waits or was set aside is sent again; a disabled webhook is enabled."""
WEBHOOK_DISABLED: Final = Kind[WebhookDisabledBody]("webhook_disabled", "webhook disabled")
"""The service sends nothing more to an address that is gone, or that failed for days."""
WEBHOOK_ENDED: Final = Kind[WebhookStepBody]("webhook_ended", "webhook ended")


_STEP = RecordRule(matter=Matter.PEOPLE, is_of_subject=True)
_UNSENT = "no projection: what receivers of events have not acknowledged yet"
AREA: Final = Area(
    name="webhooks",
    keys={"webhooks": WEBHOOK_REGISTERED},
    records={
        WEBHOOK_REGISTERED: _STEP,
        WEBHOOK_ROTATED: _STEP,
        WEBHOOK_RESENT: _STEP,
        WEBHOOK_DISABLED: RecordRule(matter=Matter.PEOPLE, is_of_subject=True, events=raise_fault),
        WEBHOOK_ENDED: _STEP,
    },
    tables={
        "webhooks": TableRule(kept="numbers of records"),
        "webhook_events": TableRule(kept="numbers of records and digests of identifiers"),
        "webhook_cursors": TableRule(
            kept="how far the sender of events is",
            not_compared="no projection: how far the sender of events is",
        ),
        "webhook_deliveries": TableRule(
            kept="numbers of records and digests of identifiers; nothing more is sent",
            not_compared=_UNSENT,
        ),
    },
    owners="engine.events.webhooks:read_agencies",
    projections=("engine.events.webhooks:project_events",),
)
