"""Looks: records of who looked for whom, and why.

The journal records the reader, the purpose and the records that are shown before an answer leaves;
if that cannot be recorded, nothing is shown. What was looked for is not recorded, because it would
outlive the erasure of what it names.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from fastapi import Query

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.journal.kinds import SENSITIVE_READ, SensitiveReadBody

Purpose = Literal["inspection", "case", "request", "analysis", "audit", "other"]
"""Why somebody looks: a vehicle that is inspected, a case, a request of another agency or partner,
an analysis of risk, an audit."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
AskedPurpose = Annotated[Purpose, Query(description="Why it is asked; recorded with the look.")]
PagePurpose = Annotated[Purpose | Literal[""], Query()]
"""Of a page: it asks for a purpose where none came."""
LookKind = Literal["search", "entity", "connections"]


def record_look(
    service: Runtime, caller: Caller, kind: LookKind, found: Iterable[int], purpose: Purpose | None
) -> None:
    """Record a look, with the numbers of the records that it shows."""
    body: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": 0,
        "kind": kind,
        "found": sorted(set(found), reverse=True),
    }
    if purpose is not None:
        body["purpose"] = purpose
    service.writer.submit(SENSITIVE_READ.draft("0", body, post=caller.post or "")).result()
