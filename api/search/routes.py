"""Search over HTTP."""

from typing import Annotated

from fastapi import Query, Response

from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.search.reads import search
from api.search.schemas import SearchResult

router = json_router("/v1/search", "search")
LONGEST = 64
MOST_FOUND = 500
SearchText = Annotated[str, Query(max_length=LONGEST)]
ReadOn = Annotated[int | None, Query(ge=1, lt=1 << 63)]


@router.get("", response_model=SearchResult)
def find(
    caller: TheCaller,
    service: TheService,
    q: SearchText,
    before: ReadOn = None,
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 50,
) -> Response:
    """Find decided vehicles by plate, VIN, container, seal, firm, document or decision.

    ``q`` is folded as plates are: case, spaces, dashes and look-alike Cyrillic and Latin letters
    make no difference. It is the beginning of an identifier, or any part of a plate, of three
    characters at least. Each search is a record of its own.
    """
    return answer(search(service, caller, q, before=before, most=limit))
