"""The page of a post's integrity report."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.http.dependencies import running_service
from api.http.guards import check_path
from api.integrity.reads import IntegrityService, report
from api.integrity.routes import LONGEST_DAYS
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheVisitor
from engine.domain.records import PostCode

TheService = Annotated[IntegrityService, Depends(running_service)]

router = APIRouter(prefix="/posts", route_class=PageRoute, include_in_schema=False)

PERIODS = (7, 30, 92)
"""Days that the page offers."""


@router.get("/{post}/integrity")
async def show(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
    days: Annotated[int, Query(ge=1, le=LONGEST_DAYS)] = 30,
) -> Response:
    """Show pairs of officer and carrier, releases and overrides, against what chance gives."""
    from models.monitoring.officer_integrity import (
        FEWEST,  # scipy's company: not on the way of a service that starts
    )

    check_path(service.network, visitor.caller, post)
    found = await asyncio.to_thread(report, service, post, days=days)
    return page(
        request,
        "integrity.html",
        visitor=visitor,
        post=post,
        json_address=f"/v1/posts/{post}/integrity?days={days}",
        found=found,
        periods=PERIODS,
        fewest=FEWEST,
    )
