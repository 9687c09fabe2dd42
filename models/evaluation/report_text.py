"""Evaluation report as text: one paragraph for supervisors, one page of figures.

Assumes the dictionary of :mod:`models.evaluation.report`; nothing is computed here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from models.data.propensity_log import MOST_MISSING

Report = Mapping[str, Any]

VIEWS = {
    "random_stream": "random checks",
    "inverse_propensity": "engine-drawn, weighted to all arrivals",
    "inspected": "inspected rows, as they were selected",
}
FIGURES = {
    "hit_rate_at_capacity": "hit rate at capacity",
    "recall_at_capacity": "recall at capacity",
    "base_rate": "hit rate over all",
    "lift": "lift over random",
    "average_precision": "average precision",
    "auc": "AUC",
}
STATED = {"calibration_error": "calibration error", "brier": "Brier score"}
ESTIMATES = {
    "inverse_propensity": "inverse propensity",
    "self_normalised": "self-normalised",
    "doubly_robust": "doubly robust",
}
LOGS = {"engine_drawn": "all draws of the engine", "random_stream": "random checks alone"}
COLUMNS = {
    "post": "post",
    "shift": "shift",
    "vehicle_class": "vehicle class",
    "plate_country": "plate country",
}
AIMS = {
    "loads": "loads, at equal minutes of search",
    "papers": "other finds, at equal minutes of papers",
    "all": "all finds, at equal minutes of both",
}
LISTS = {"two_lists": "by two lists", "one_rank": "by one rank of both", "more": "difference"}
TARGET_LISTS = {"seizure": "searched by the score", "discrepancy": "whose papers it looks at"}
SHARES = frozenset({"hit_rate_at_capacity", "recall_at_capacity", "base_rate"})


def format_estimate(figure: Mapping[str, Any], *, share: bool) -> str:
    """Return an estimate as text: the figure and its interval, or that it is not yet knowable."""
    if not figure["knowable"]:
        return "not yet knowable"
    form = "{:.1%}" if share else "{:.3f}"
    value, low, high = (form.format(figure[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def paragraph(report: Report) -> str:
    """Return what a supervisor should know, in plain words."""
    parts = [*report.get("doubts", ()), summary(report)]
    if report.get("targets"):
        parts += report["cannot_tell"]
    if report["notice"]:
        parts.append(report["notice"])
    return " ".join(parts)


def summary(report: Report) -> str:
    """Return the paragraph without its list of what the data cannot tell."""
    if not report.get("targets"):
        return "The model could not be judged: " + " ".join(report["cannot_tell"])
    parts = [
        f"Judged on {report['arrivals']:,} arrivals between {report['period']['from'][:10]} and "
        f"{report['period']['until'][:10]}, by a model that had seen nothing of them.",
        *(_worth(report, target) for target in report["targets"]),
        *_aim_lines(report),
        *_gravity_lines(report),
        *_missed_lines(report),
        *_calibration(report),
        *fairness(report),
        *_party_lines(report),
        *_drift_lines(report),
    ]
    return " ".join(parts)


def _worth(report: Report, target: str) -> str:
    """Say how often the riskiest hold something, by the least biased view that can tell."""
    capacity, views = f"{report['capacity']:.0%}", report["targets"][target]
    name = best_view(views)
    rate, lift = views[name]["hit_rate_at_capacity"], views[name]["lift"]
    if not rate["knowable"]:
        return f"How often the riskiest {capacity} hold a {target} is not yet knowable."
    if not rate["positives"]:
        return (
            f"None of {rate['n']:,} searches among the riskiest {capacity} found a {target} "
            f"({VIEWS[name]}); that still allows up to {rate['high']:.1%}."
        )
    share = format_estimate(rate, share=True)
    often = f"Of the riskiest {capacity} at each post, {share} held a {target}"
    times = f", {lift['value']:.1f} times the rate over all" if lift["knowable"] else ""
    return f"{often}{times} ({VIEWS[name]})."


def _aim_lines(report: Report) -> Iterator[str]:
    """Say what two lists reach at equal minutes, and one rank of both chances."""
    for aim, words in AIMS.items():
        found = report["equal_minutes"][aim]
        two, one = (found[name] for name in ("two_lists", "one_rank"))
        if two["knowable"] and one["knowable"]:
            yield (
                f"Of {words}, two lists reach {format_estimate(two, share=True)} and one rank "
                f"{format_estimate(one, share=True)}."
            )


def _party_lines(report: Report) -> Iterator[str]:
    """Say how much of what each list sends falls on one party."""
    for target, found in report.get("largest_party", {}).items():
        if found["kind"] is None:
            continue
        yield (
            f"Of the {found['picks']:,} vehicles {TARGET_LISTS[target]}, {found['share']:.0%} are "
            f"of one {found['kind']}, the largest party; in {found['beyond']} of "
            f"{count_noun(found['shifts'], 'shift')} one party has more than half."
        )


def _gravity_lines(report: Report) -> Iterator[str]:
    """Say what the finds weigh that were within capacity, where the network file weighs finds."""
    gravity = report.get("gravity")
    if gravity and gravity["share"] is not None:
        every, within = gravity["all"], gravity["within_capacity"]
        yield (
            f"Of {count_noun(every['finds'], 'find')} in inspections, which weigh "
            f"{every['gravity']:,.0f} discrepancies together, {within['finds']:,} with "
            f"{gravity['share']:.0%} of the gravity were within capacity."
        )


def _missed_lines(report: Report) -> Iterator[str]:
    """Say what those held whom this model would have let go."""
    logs = report["targets"]["discrepancy"].get("policy_value", {})
    for log in logs.values():
        rest = log["released"]["doubly_robust"]
        if rest["knowable"]:
            yield (
                "Of the vehicles that it would have let go, "
                f"{format_estimate(rest, share=True)} held a discrepancy."
            )
            return


def _calibration(report: Report) -> Iterator[str]:
    """Say whether chances come true, by random checks where they can tell.

    Chances are of all arrivals: where officers pick by more than features tell, what is inspected
    holds more.
    """
    views = report["targets"]["discrepancy"]
    for name in ("random_stream", "inspected"):
        error = views[name]["calibration_error"]
        if error["knowable"]:
            chance = views[name]["reliability"]["by_chance"]
            distance = format_estimate(error, share=True)
            yield (
                f"A stated chance of a discrepancy is off by {distance} on average "
                f"({VIEWS[name]}); right ones would seem off by {chance:.1%} in as few rows."
            )
            return
    if views["inspected"]["rows"]:
        yield "Whether stated chances come true is not yet knowable."


def fairness(report: Report) -> Iterator[str]:
    """Yield what the outcome test and the possible proxies of origin show, by target."""
    for target, columns in report.get("outcome_test", {}).items():
        for column, found in columns.items():
            if found["lower"]:
                names = ", ".join(found["lower"])
                yield (
                    f"Of the vehicles {TARGET_LISTS[target]}, those of {COLUMNS[column]} {names} "
                    f"hold a {target} less often than others: these may be sent too easily."
                )
    proxies = report.get("proxies")
    if not proxies or not proxies["features"]:
        return
    for target, words in TARGET_LISTS.items():
        replaced = proxies[target]["replaced"]
        if replaced["knowable"]:
            decided = f"decide {format_estimate(replaced, share=True)}"
        else:
            decided = "decide a share that is not yet knowable"
        yield (
            f"Features that could stand in for a person's origin {decided} of the vehicles {words}."
        )


def _drift_lines(report: Report) -> Iterator[str]:
    for name, text in (
        ("picked", "Searches found less than was stated, week after week: fit it again."),
        ("random", "Random checks found more than was stated: something new goes unseen."),
    ):
        if report.get("alarms", {}).get(name, {}).get("alarmed"):
            yield text
    moved = report.get("drift")
    if moved and moved["score"]["moved"] and moved["score"]["above_cut"]["knowable"]:
        yield (
            "Traffic has moved since it learnt: where "
            f"{moved['score']['expected']:.1%} of the released lay above its cut, now "
            f"{format_estimate(moved['score']['above_cut'], share=True)} do."
        )


def cannot_tell(made: Report) -> list[str]:
    """Say what the data cannot tell, in sentences."""
    values = []
    for target, views in made["targets"].items():
        checks = views["random_stream"]
        rate, recall = checks["hit_rate_at_capacity"], checks["recall_at_capacity"]
        if not checks["rows"]:
            values.append(
                f"No random checks of {target}: what a search of everybody would find, and what "
                "the ranking misses, cannot be known."
            )
        elif _is_undone(checks):
            values.append(
                f"{checks['not_carried_out']} of {checks['not_carried_out'] + checks['rows']} "
                f"random checks of {target} were not carried out in full: what they would have "
                "found cannot be told from what the others found."
            )
        elif not checks["finds"]:
            values.append(
                f"No {target} in {checks['rows']} random checks: that still allows up to "
                f"{checks['base_rate']['high']:.2%} of all arrivals.{_state_needed(checks)}"
            )
        elif not (rate["knowable"] and recall["knowable"]):
            values.append(
                f"{checks['rows']} random checks found a {target} {checks['finds']} times: too few "
                "to tell the hit rate or the recall at capacity within a useful interval."
                f"{_state_needed(checks)}"
            )
        if not views["inspected"]["auc"]["knowable"]:
            values.append(f"Too few {target} labels in the period to judge their order at all.")
    return values


def _state_needed(checks: Mapping[str, Any]) -> str:
    """Say how many random checks would make hit rate and recall at capacity knowable."""
    needed = checks["needed"]
    if needed is None:
        return ""
    weeks = count_noun(max(1, round(needed["weeks"])), "week")
    return (
        f" Some {needed['checks']:,.0f} random checks would be enough, at this pace in {weeks} "
        "more, if they find as often."
    )


def _is_undone(view: Mapping[str, Any]) -> bool:
    """Tell whether too many draws of a view are without evidence."""
    lost, rows = int(view["not_carried_out"]), int(view["rows"])
    return lost > MOST_MISSING * (lost + rows)


def best_view(views: Mapping[str, Any]) -> str:
    """Return the least biased view whose hit rate at capacity can be told."""
    for name in VIEWS:
        if views[name]["hit_rate_at_capacity"]["knowable"]:
            return name
    return "inspected"


def page(report: Report) -> str:
    """Return all figures as text for a terminal."""
    lines = [paragraph(report), ""]
    for target, views in report.get("targets", {}).items():
        lines += _views(target, views)
        for log, estimates in views.get("policy_value", {}).items():
            lines.append(f"{target}, had it chosen, by {LOGS[log]}")
            for key, name in ESTIMATES.items():
                lines.append(
                    f"    {name:24}{format_estimate(estimates['searched'][key], share=True)}"
                )
    for aim, found in report.get("equal_minutes", {}).items():
        lines.append(AIMS[aim])
        lines += [
            f"    {name:24}{format_estimate(found[key], share=True)}" for key, name in LISTS.items()
        ]
    for name, figure in report.get("peers", {}).items():
        lines.append(f"average precision, {name}: {format_estimate(figure, share=False)}")
    for name, figure in report.get("advantage", {}).items():
        lines.append(
            f"finds more for each search than by {name}: {format_estimate(figure, share=True)}"
        )
    return "\n".join(lines) + "\n"


def _views(target: str, views: Mapping[str, Any]) -> Iterator[str]:
    for view, title in VIEWS.items():
        kept = views[view]
        if not kept["rows"]:
            yield f"{target}, {title}: no rows, so not yet knowable"
            continue
        yield f"{target}, {title}: {_size(kept)}"
        for key, name in FIGURES.items():
            yield f"    {name:24}{format_estimate(kept[key], share=key in SHARES)}"
    for key, name in STATED.items():
        if views["inspected"]["rows"] and key in views["inspected"]:
            yield f"    {name:24}{format_estimate(views['inspected'][key], share=False)}"


def _size(view: Mapping[str, Any]) -> str:
    rows, finds, worth = view["rows"], view["finds"], view["effective_rows"]
    even = "" if round(worth) == rows else f", worth {worth:,.0f} even ones"
    return f"{count_noun(rows, 'row')}{even}, {count_noun(finds, 'find')}"


def count_noun(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s for all but one.

    >>> count_noun(1, "find"), count_noun(1200, "row")
    ('1 find', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
