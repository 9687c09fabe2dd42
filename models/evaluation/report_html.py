"""What does a model's worth look like? The report as one page with plots, readable anywhere.

Assumes the dictionary of :mod:`models.evaluation.report`. The page is one file: plots are inline
SVG, nothing is fetched, no script runs, and it prints.

How does a report's page write a table? Cells of ready markup, figures as text.

Assumes the estimates of :mod:`models.evaluation.report`.
"""

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from models.evaluation import plots as evaluation_plots
from models.evaluation.report_text import (
    COLUMNS,
    ESTIMATES,
    FIGURES,
    LOGS,
    SHARES,
    STATED,
    VIEWS,
    fairness,
    format_estimate,
    summary,
)

_LONG = 40
"""Characters of a cell that may be broken into lines."""


def figure(found: Mapping[str, Any], *, share: bool) -> str:
    """Return a figure with its interval, or that it is not yet knowable and why."""
    if found["knowable"]:
        return format_estimate(found, share=share)
    why = escape(found["why"], quote=True)
    return f'<span class="unknown" title="{why}">not yet knowable</span>'


def table(heads: Iterable[str], rows: Iterable[tuple[str, list[str]]], *, caption: str) -> str:
    """Return a table of ready markup; numbers alone are set to the right."""
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(f'<td class="{_kind(cell)}">{cell}</td>' for cell in cells)
        + "</tr>"
        for name, cells in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _kind(cell: str) -> str:
    if cell.replace(",", "").isdigit():
        return "n"
    return "long" if len(cell) > _LONG and "<" not in cell else "s"


Report = Mapping[str, Any]
GROUP_FIGURES = ("random_stream", "inspected", "at_capacity", "random_recall", "recall")
_STYLE = """
:root{color-scheme:light}
body{font:16px/1.55 system-ui,sans-serif;color:#22303c;background:#fbfaf8;max-width:76rem;
margin:0 auto;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.5rem;margin:.5rem 0 1rem}
h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:.75rem;border-top:1px solid #d9d5cd}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
p{max-width:46rem}
.notice{background:#fdf0dc;border-left:4px solid #b3541e;padding:.6rem 1rem}
.words{font-size:1.08rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;margin:.5rem 0 1rem;background:#fff}
caption{text-align:left;color:#55626d;padding:.25rem 0}
th,td{padding:.3rem .8rem;text-align:left;border-bottom:1px solid #e6e2da;vertical-align:top}
thead th{border-bottom:2px solid #b9c1c8;font-weight:600}
tbody th{font-weight:500;white-space:nowrap}
td{white-space:nowrap}
td.long{white-space:normal;max-width:15rem}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(27rem,100%),1fr));gap:1rem;
align-items:start}
figure{margin:0;background:#fff;border:1px solid #e6e2da;border-radius:6px;padding:.75rem}
figcaption{font-size:.88rem;color:#45525d;margin-top:.25rem}
svg{display:block;width:100%;height:auto}
svg text{font-family:system-ui,sans-serif!important}
.unknown{color:#626d76;font-style:italic}
@media print{body{background:#fff;font-size:11pt}figure{break-inside:avoid}}
"""


def report_html(report: Report, *, title: str = "Evaluation") -> str:
    """Return the page.

    Parameters
    ----------
    report : mapping
        As :func:`models.evaluation.report.report` made it.
    title : str
        Shown as the heading: the version, say.

    Returns
    -------
    str
        A whole HTML document, the same for the same report.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(_parts(report, title))}</main></body></html>"
    )


def _parts(report: Report, title: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    if report.get("notice"):
        yield f'<p class="notice">{escape(report["notice"])}</p>'
    for doubt in report.get("doubts", ()):
        yield f'<p class="notice">{escape(doubt)} It is not approved with such labels.</p>'
    yield f'<p class="words">{escape(summary(report))}</p>'
    if report["cannot_tell"] and report.get("targets"):
        yield "<h2>What the data cannot tell</h2>"
        yield f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in report['cannot_tell'])}</ul>"
    if report.get("targets"):
        for target in report["targets"]:
            yield from _target(report, target)
        yield from _groups(report)
        yield from _inside(report)


def _target(report: Report, target: str) -> Iterator[str]:
    """Yield one target: figures by view, what it would have found, and its plots."""
    views = report["targets"][target]
    yield f"<h2>{escape(target.capitalize())}</h2>"
    heads = [
        f"{text}<br>{views[view]['rows']:,} rows, worth {views[view]['effective_rows']:,.0f}, "
        f"{views[view]['finds']:,} finds"
        for view, text in VIEWS.items()
    ]
    rows = (
        (name, [figure(views[view][key], share=key in SHARES) for view in VIEWS])
        for key, name in FIGURES.items()
    )
    stated = (
        (name, ["", "", figure(views["inspected"][key], share=False)])
        for key, name in STATED.items()
        if key in views["inspected"]
    )
    note = "Figures with 95 % intervals. Capacity: the riskiest share of each post's daily entries."
    yield table(["", *heads], [*rows, *stated], caption=note)
    if target == "discrepancy" and report["peers"]:
        yield from _peer_section(report)
    yield from _values(views)
    yield '<div class="grid">'
    text = (
        f"Share of {target} finds caught against the share of vehicles inspected, with the 95 % "
        "interval of each point."
    )
    yield evaluation_plots.plot(
        evaluation_plots.capture(report, target), name=f"capture-{target}", text=text
    )
    text = (
        f"Share of inspections that found a {target} (dots, with 95 % intervals) against the "
        "stated chance; on the dotted line they agree. Both axes are stretched near 0."
    )
    yield evaluation_plots.plot(
        evaluation_plots.reliability(report, target), name=f"chance-{target}", text=text
    )
    if target == "discrepancy":
        text = "Risk by outcome: median, middle half (thick) and middle nine tenths (thin)."
        rows_of = len(report["scores_by_outcome"])
        yield evaluation_plots.plot(
            evaluation_plots.outcomes(report), name="outcomes", text=text, rows=rows_of + 2
        )
    yield "</div>"


def _peer_section(report: Report) -> Iterator[str]:
    """Yield how simpler methods do."""
    peers = ((escape(name), [figure(one, share=False)]) for name, one in report["peers"].items())
    yield table(["", "average precision"], peers, caption="Beside simpler methods.")
    more = [
        (escape(name), [figure(one, share=True)])
        for name, one in report.get("advantage", {}).items()
    ]
    note = "Discrepancies more for each search within capacity, from all draws of the engine."
    yield table(["than by", "more finds"], more, caption=note)


def _values(views: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model would have found, had it chosen, with what the log can bear."""
    asked = [
        (views["policy_value"][log][whom], f"{words},<br>by {LOGS[log]}")
        for whom, words in (("searched", "of those it would search"), ("released", "of the others"))
        for log in LOGS
    ]
    rows = [
        (name, [figure(value[key], share=True) for value, _ in asked])
        for key, name in ESTIMATES.items()
    ]
    hourly = [figure(value["hits_per_hour"], share=False) for value, _ in asked]
    rows.append(("finds an hour of search", hourly))
    logs = [value["diagnostics"] for value, _ in asked]
    rows += [
        ("draws", [f"{one['drawn']:,}, worth {one['effective']:,.0f} even ones" for one in logs]),
        ("heaviest of them", [f"{one['largest_weight']:.1%} of the weight" for one in logs]),
        ("without evidence", [f"{one['not_carried_out']:.1%}" for one in logs]),
        ("their weight", [f"{one['covered']:.2f} of what is asked about" for one in logs]),
        ("against an answer", [escape("; ".join(one["faults"])) or "nothing" for one in logs]),
    ]
    yield table(
        ["", *(head for _, head in asked)],
        rows,
        caption="Had this model chosen: hit rates estimated from logged draws.",
    )


def _groups(report: Report) -> Iterator[str]:
    """Yield the outcome test: its plots, its verdict and its numbers."""
    yield "<h2>Posts, vehicles and plates: is everybody searched at the same bar?</h2>"
    said_of = " ".join(fairness(report))
    yield f"<p>{escape(said_of or 'No group is seen to be searched at another bar.')}</p>"
    yield '<div class="grid">'
    for column in ("post", "shift", "vehicle_class"):
        if column not in report["groups"]:  # reports of the first versions
            continue
        text = (
            f"Hit rate of inspections by {COLUMNS[column]} with 95 % intervals, and the mean "
            "chance that was stated for them."
        )
        rows = len(report["groups"][column])
        yield evaluation_plots.plot(
            evaluation_plots.rates(report, column),
            name=column.replace("_", "-"),
            text=text,
            rows=rows + 2,
        )
    yield "</div>"
    for column in report["groups"]:
        name = COLUMNS[column]
        yield table(
            [
                name,
                "arrivals",
                "within capacity",
                "hit rate of random checks",
                "of inspections",
                "of inspections within capacity",
                "recall of finds by random checks",
                "of all finds",
                "mean stated chance",
                "against the others",
            ],
            (
                (escape(group), _group(one, _verdict(report["outcome_test"][column], group)))
                for group, one in report["groups"][column].items()
            ),
            caption=f"Discrepancies by {name}.",
        )


def _group(one: Mapping[str, Any], verdict: str) -> list[str]:
    stated = "" if one["mean_chance"] is None else f"{one['mean_chance']:.1%}"
    return [
        f"{one['arrivals']:,}",
        f"{one['within_capacity']:,}",
        *(figure(one[key], share=True) if key in one else "" for key in GROUP_FIGURES),
        stated + (" (not what was found)" if one["calibrated"] is False else ""),
        verdict,
    ]


def _verdict(found: Mapping[str, list[str]], group: str) -> str:
    words = {
        "lower": "finds less",
        "higher": "finds more",
        "no_difference": "no difference seen",
        "not_knowable": '<span class="unknown">not yet knowable</span>',
    }
    return next((text for key, text in words.items() if group in found[key]), "")


def _inside(report: Report) -> Iterator[str]:
    """Yield what only the model itself could tell: families, proxies and drift."""
    if "families" not in report:
        return
    yield "<h2>What it stands on, and what has moved</h2>"
    yield '<div class="grid">'
    known = [one for one in report["families"].values() if one["value"] is not None]
    if known:
        text = (
            "Average precision of discrepancies lost when a family of features is shuffled (number "
            "of features in brackets); filled where the interval leaves 0 out."
        )
        yield evaluation_plots.plot(
            evaluation_plots.families(report), name="families", text=text, rows=len(known) + 1
        )
    if "drift" in report:
        moved = report["drift"]
        text = (
            f"Features that moved farthest since the ninety days before; {moved['moved']} of "
            f"{moved['of']} moved beyond chance and 0.1 (filled). Rates of those without a history "
            "of their own follow the network's rate, and move together."
        )
        rows = len(moved["features"]) + 1
        yield evaluation_plots.plot(
            evaluation_plots.drift(report), name="drift", text=text, rows=rows
        )
    yield "</div>"
    if report["proxies"]["by_country"] and isinstance(report["proxies"]["replaced"], Mapping):
        names = ", ".join(report["proxies"]["features"])
        yield table(
            ["plate country", "arrivals", "searched", "without proxies"],
            (
                (
                    escape(name),
                    [
                        f"{one['arrivals']:,}",
                        figure(one["searched"], share=True),
                        figure(one["without_proxies"], share=True),
                    ],
                )
                for name, one in report["proxies"]["by_country"].items()
            ),
            caption=f"Share within capacity with and without possible proxies of origin: {names}.",
        )
