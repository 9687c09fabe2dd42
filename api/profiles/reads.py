"""Checks an expression as it is written, and lists what one may ask for; nothing is recorded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.criteria.dual_control import read_approval_state
from engine.criteria.profiles import profile as profiles_profile
from engine.criteria.profiles.checker import DEAREST
from engine.criteria.profiles.fields import (
    DERIVED,
    ITEM,
    PROXIES,
    ROOTS,
    Derived,
    FieldType,
    list_derived,
)
from engine.criteria.profiles.profile import Profile
from engine.criteria.profiles.program import program
from engine.domain.rights import Matter, Right
from engine.errors import NotFoundError, ProfileRefusedError
from engine.journal.kinds import PROFILE_BACKTESTED
from engine.queue.find_gravity import FindGravity
from engine.queue.match_outcomes import (
    Months,
    Outcome,
    OutcomeFilter,
    count_in_shadow,
    read_outcomes,
    total,
)
from engine.queue.queue import DECISIONS
from features.catalogue.catalogue import CATALOGUE, proxies
from features.catalogue.spec import Feature
from models.statistics.intervals import share


def check_expression(expression: str, names: Sequence[str]) -> dict[str, Any]:
    """Return whether an expression may run: where it does not fit and why, or what it reads.

    ``names`` are those of the features.
    """
    result: dict[str, Any] = dict.fromkeys(("at", "why", "message", "parameters", "steps"))
    result |= {"fits": False, "most_steps": DEAREST, "reads": [], "proxies": []}
    try:
        made = program(expression, features=names)
    except ProfileRefusedError as error:
        refused = ("at", "why", "message", "parameters")
        return result | {name: getattr(error, name) for name in refused}
    reads = {"reads": sorted(made.needs), "proxies": proxies(made.needs)}
    return result | reads | {"fits": True, "steps": made.steps}


def fields(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return all that an expression may ask for: records, goods, then features."""
    records = [one for root, known in ROOTS.items() for one in _of(f"{root}.", known)]
    known: dict[str, Derived | Feature] = {name: DERIVED[name] for name in list_derived(names)}
    known |= {name: CATALOGUE[name] for name in names}
    return [*records, *_of("goods.", ITEM), *(_feature(*one) for one in known.items())]


def _of(prefix: str, known: Mapping[str, FieldType]) -> Iterator[dict[str, Any]]:
    for name, kind in known.items():
        full = prefix + name
        yield _field(full, kind.kind, choices=sorted(kind.choices), proxy=full in PROXIES)


def _feature(name: str, known: Derived | Feature) -> dict[str, Any]:
    about = {name: getattr(known, name, False) for name in ("unit", "meaning", "proxy")}
    return _field(f"features.{name}", "number", **about)


def _field(name: str, kind: str, **about: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "choices": [], "unit": "", "meaning": ""} | about


def filter_of(caller: Caller) -> OutcomeFilter:
    """Return which posts' decisions and which agencies' acts a caller sees."""
    return OutcomeFilter(
        caller.post,
        caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE),
        lambda agency: caller.sees(Matter.ACTS, agency),
    )


def find_gravity(service: Runtime, connection: Connection, caller: Caller) -> FindGravity:
    """Return what weighs finds for a caller."""
    return FindGravity(
        connection, service.network, is_seen=lambda agency: caller.sees(Matter.SEIZURES, agency)
    )


def weigh_matches(
    outcomes: Mapping[str, Months], gravity: FindGravity, seen: OutcomeFilter
) -> dict[str, float]:
    """Return the gravity of the finds of each profile or entry, read where there is a find."""
    return {
        code: gravity.of_matches(code, seen) if total(months.values()).hits else 0.0
        for code, months in outcomes.items()
    }


def outcome_as_json(months: Months, gravity: float) -> dict[str, Any]:
    """Return what became of the matches of a profile or an entry, together and by month."""
    every = [{"month": month} | _figures(one) for month, one in months.items()]
    return _figures(total(months.values())) | {"gravity": gravity, "months": every}


def _figures(found: Outcome) -> dict[str, Any]:
    return {
        "matches": found.matches,
        "searches": found.inspected,
        "finds": found.hits,
        "minutes": found.minutes,
    }


def link_examples(
    service: Runtime, caller: Caller, examples: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the latest matches that a caller may see, each with its decision where there is one.

    A crossing of the loaded history has none.
    """
    shown = [one for one in examples if caller.sees_post(one["post"])]
    column = DECISIONS.c
    query = select(column.crossing_id, column.decision_id).where(
        column.crossing_id.in_([one["crossing_id"] for one in shown]), column.amends.is_(None)
    )
    with service.store.read() as connection:
        decided = {row.crossing_id: row.decision_id for row in connection.execute(query)}
    return [{**one, "decision_id": decided.get(one["crossing_id"])} for one in shown]


def audit_matches(found: Outcome, shadow: tuple[int, int]) -> dict[str, Any]:
    """Return what became of a profile's matches, with intervals."""
    return {
        "matches": found.matches,
        "selected": found.selected,
        "inspected": found.inspected,
        "hits": found.hits,
        "minutes": found.minutes,
        "hit_rate": share(found.hits, found.inspected).as_dict(),
        "selected_hit_rate": share(found.selected_hits, found.selected_inspected).as_dict(),
        "shadow": dict(zip(("arrivals", "matches"), shadow, strict=True)),
    }


def read_profiles(service: Runtime, caller: Caller) -> list[dict[str, Any]]:
    """Return every profile, the newest first."""
    with service.store.read() as connection:
        every = reversed(list(profiles_profile.read_profiles(connection).values()))
        found = [one for one in every if one.proposed.post not in caller.hidden_posts]
        seen, gravity = filter_of(caller), find_gravity(service, connection, caller)
        outcomes = read_outcomes(connection, [one.code for one in found], seen)
        weights = weigh_matches(outcomes, gravity, seen)
        return [
            _profile_as_json(service, connection, one, outcomes[one.code], weights[one.code])
            for one in found
        ]


def read_profile(service: Runtime, code: str, caller: Caller) -> dict[str, Any]:
    """Return one profile with its backtest; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = profiles_profile.to_profile(read_approval_state(connection, "profile", code))
        if found.proposed.post in caller.hidden_posts:
            raise NotFoundError("profile", code)
        seen = filter_of(caller)
        months = read_outcomes(connection, [code], seen)
        weights = weigh_matches(months, find_gravity(service, connection, caller), seen)
        return _profile_as_json(service, connection, found, months[code], weights[code])


def _profile_as_json(
    service: Runtime,
    connection: Connection,
    found: Profile,
    months: Months,
    gravity: float,
) -> dict[str, Any]:
    sequence, journal = found.standing.evidence, service.journal
    backtested = sequence and journal.body(connection, sequence, of=PROFILE_BACKTESTED)
    return profiles_profile.profile_as_json(found, journal.now(connection)) | {
        "backtest": backtested["figures"] if backtested else None,
        "audit": audit_matches(total(months.values()), count_in_shadow(connection, found.code)),
        "outcome": outcome_as_json(months, gravity),
    }
