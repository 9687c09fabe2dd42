"""``darvoza impact``: a public statement of what chooses vehicles here, from what is in force.

It names no vehicle, party, profile or list and no share that could be planned around: rules are
counted by kind, and figures are sums over all posts.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from sqlalchemy import ColumnElement, Connection, Integer, cast, func, select

from api.cli.common import HomeOption, JsonOption, count_of, emit, opened_to_read
from engine.criteria.register import read_rules
from engine.domain.network import read_home_network
from engine.domain.time_units import DAY, moment
from engine.journal.journal import JOURNAL
from engine.queue.match_outcomes import ACTS
from engine.queue.queue import DECISIONS
from engine.queue.reviews import REVIEWS
from engine.selection import Channel
from features.catalogue.catalogue import CATALOGUE, read_families
from models.lifecycle.states import find_model_in_force
from models.statistics.intervals import share

_D, _A = DECISIONS.c, ACTS.c


def impact(
    home: HomeOption,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far figures reach back.")] = 365,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print a public impact statement, as Markdown, from what is in force in a home."""
    with opened_to_read(home) as (found, store):
        network = read_home_network(found.network)
        with store.read() as connection:
            facts = collect_facts(connection, days=days)
    facts |= {"synthetic": network.synthetic, "posts": len(network.posts)}
    emit(facts, as_json=as_json, text=write_statement(facts))


def collect_facts(connection: Connection, *, days: int) -> dict[str, Any]:
    """Return what the statement says: rules, model, and the figures of the last days."""
    now = connection.scalar(select(func.max(JOURNAL.c.known_at))) or 0
    since, families = now - days * DAY, Counter(one.family for one in CATALOGUE.values())
    rules = read_rules(connection, families=read_families(), as_of=now)
    stated = [one for one in rules if one.owner is not None]
    recent = _D.known_at >= since
    first = select(_D.channel, func.count()).where(recent, _D.amends.is_(None))
    channels = connection.execute(first.group_by(_D.channel).order_by(_D.channel)).all()
    reviews = REVIEWS.c
    overrides = select(func.count()).where(reviews.known_at >= since, reviews.verdict == "override")
    return {
        "as_of": moment(now).date().isoformat(),
        "days": days,
        "rules": dict(Counter(one.kind for one in rules if one.kind != "entries")),
        "with_owner": len(stated),
        "overdue": sum(one.is_overdue(now) for one in rules),
        "model": find_model_in_force(connection),
        "features": len(CATALOGUE),
        "proxies": sorted(name for name, one in CATALOGUE.items() if one.proxy),
        "families": dict(families),
        "decisions": {Channel(code).code: number for code, number in channels},
        "drawn": connection.scalar(
            select(func.count()).where(recent, _D.amends.is_(None), _D.basis == "random")
        ),
        "overrides": connection.scalar(overrides),
        "searched": _count_searches(connection, recent),
        "random": _count_searches(connection, recent & (_D.basis == "random")),
    }


def _count_searches(connection: Connection, chosen: ColumnElement[bool]) -> dict[str, Any]:
    """Return how many vehicles were searched, and on how many something was found."""
    each = (
        select(_A.crossing_id, func.max(cast(_A.is_hit, Integer)).label("hit"))
        .where(_A.is_evidence, _A.crossing_id.in_(select(_D.crossing_id).where(chosen)))
        .group_by(_A.crossing_id)
        .subquery()
    )
    searched, found = connection.execute(
        select(func.count(), func.coalesce(func.sum(each.c.hit), 0))
    ).one()
    return {
        "searched": searched,
        "found": int(found),
        "rate": share(int(found), searched).as_dict(),
    }


def write_statement(facts: Mapping[str, Any]) -> str:
    """Return the statement as Markdown."""
    rules, decisions = facts["rules"], facts["decisions"]
    random, searched = facts["random"], facts["searched"]
    counted = [
        count_of(rules.get(kind, 0), name)
        for kind, name in (("profile", "profile"), ("fact", "hard fact"), ("list", "named list"))
    ]
    model = "a model" if facts["model"] else "no model: rules and random checks alone"
    lines = [
        "# Impact statement",
        f"As of {facts['as_of']}, of {facts['posts']} posts"
        + (", with made-up data" if facts["synthetic"] else "")
        + ".",
        "## What chooses",
        "The system advises officers which vehicles and consignments to inspect. It decides no "
        "case and detains nobody; an officer or a supervisor may choose otherwise, and says why.",
        f"In force: {model}; {', '.join(counted)}. The score reads features of "
        f"{rules['family']} families. Of all these rules {facts['with_owner']} name the "
        f"office that answers for them, and {facts['overdue']} are past their date of review.",
        "Profiles, lists, models and the settings that steer selection come into force by the "
        "approval of two people. A part of all vehicles is drawn by lot, whatever any rule says, "
        "so that errors become known.",
        "## What it reads",
        f"{facts['features']} features of vehicles, papers, goods, routes and earlier inspections. "
        "No record holds a person's nationality, ethnicity, religion, sex, age or birthplace.",
        f"{len(facts['proxies'])} features could stand for a person's origin: "
        f"{', '.join(facts['proxies'])}. Every evaluation of a model reports on them apart.",
        f"## What it did in {facts['days']} days",
        f"Decisions: {sum(decisions.values())} ("
        + (", ".join(f"{code} {number}" for code, number in decisions.items()) or "none")
        + f"); {facts['drawn']} of them drawn by lot; supervisors chose otherwise "
        + f"{facts['overrides']} times.",
        f"Vehicles searched: {searched['searched']}, with a find on {searched['found']} "
        f"({_say_rate(searched['rate'])}).",
        f"Among those drawn by lot: {random['searched']} searched, with a find on "
        f"{random['found']} ({_say_rate(random['rate'])}): an estimate for all vehicles.",
        "## What one can check",
        "Each decision is kept with what it was made from, and can be computed again. A changed "
        "or removed record is found by `darvoza verify`. Erasures need two people.",
    ]
    return "\n\n".join(lines) + "\n"


def _say_rate(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return "the share is not known yet"
    low, high = rate["low"] * 100, rate["high"] * 100
    return f"{rate['value']:.1%}; 95 % interval {low:.1f} to {high:.1f} %"
