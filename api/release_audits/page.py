"""The audits after release that are to do, for people."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.release_audits.reads import close_audit, open_audits
from api.release_audits.routes import DecisionId
from api.web.form_fields import TheReader
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit
from engine.domain.records import PostCode
from engine.queue.release_audits import AuditClosure

router = APIRouter(prefix="/audits", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(
    visit: TheVisit, service: TheService, post: Annotated[PostCode | None, Query()] = None
) -> Response:
    """Show the audits to do, the oldest first."""
    found = open_audits(service, visit.caller, post)
    address = "/v1/audits" if post is None else f"/v1/audits?post={post}"
    return visit.page(
        "audits.html", json_address=address, audits=found, codes=list(TABLES["closure"])
    )


@router.post("/{decision_id}/closures")
def close(
    visit: TheVisit, service: TheService, reader: TheReader, decision_id: DecisionId
) -> Response:
    """Close an audit that will not be made."""
    fields = {name: reader.text(name) for name in ("reason_code", "reason")}
    closure = reader.finish(reader.record(AuditClosure, fields))
    close_audit(service, visit.caller, decision_id, closure)
    return RedirectResponse("/audits?done=closed", 303)
