"""The doors of the area of webhooks."""

from typing import Final

from api.areas import Doors, MenuEntry
from engine.domain.rights import Matter, Right, Role
from engine.events.area import WEBHOOK_DISABLED

_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
DOORS: Final = Doors(
    name="webhooks",
    rules={
        (Matter.PEOPLE, Right.SEE, _ADMINISTRATOR): """
            GET /v1/webhooks
            GET /v1/webhooks/{webhook_id}
            """,
        (Matter.PEOPLE, Right.ACT, _ADMINISTRATOR): """
            POST /v1/webhooks
            POST /v1/webhooks/{webhook_id}/rotations
            POST /v1/webhooks/{webhook_id}/retries
            DELETE /v1/webhooks/{webhook_id}
            """,
    },
    by_person=("/v1/webhooks",),
    pages_of={("POST", "/webhooks/{webhook_id}/ends"): ("DELETE", "/v1/webhooks/{webhook_id}")},
    menu=(MenuEntry("/webhooks", "Webhooks", 200),),
    routers=("api.webhooks.routes:router",),
    page_routers=("api.webhooks.page:router",),
    workers=("api.webhooks.worker:DeliveryWorker",),
    alarms={WEBHOOK_DISABLED: ("webhook_disabled", ("GET", "/v1/webhooks"))},
)
