"""A first look at what a home knows: traffic, searches, finds, and what stands out in the data."""

import marimo

app = marimo.App(width="medium", app_title="A first look at the data")


with app.setup:
    import os

    import marimo as mo

    from engine.domain.network import read_home_network
    from experiments.analysis.data_quality import assess_quality
    from experiments.analysis.home_history import open_history, run_query
    from models.statistics.intervals import clopper_pearson


@app.cell
def _():
    home = os.environ.get("DARVOZA_HOME", "var")
    as_of = None
    return as_of, home


@app.cell
def _(as_of, home):
    history = open_history(home, as_of)
    network = read_home_network(history.home.network)
    synthetic = (
        " **These data are synthetic: nothing in them is real.**" if network.synthetic else ""
    )
    mo.md(f"# A first look\n\nIdentifiers are keyed digests.{synthetic}")
    return history, network


@app.cell
def _(history):
    crossings = history.frames(["crossings"])["crossings"]
    crossings["day"] = crossings["arrived_at"].dt.strftime("%Y-%m-%d")
    by_day = crossings.groupby(["day", "post"], observed=True).size().unstack(fill_value=0)
    mo.vstack([mo.md("## Crossings by day and post"), mo.ui.table(by_day.tail(14))])
    return (by_day,)


@app.cell
def _(history):
    answer = run_query(
        """SELECT c.post, i.basis, count(*) AS searches,
             count_if(i.outcome <> 'clear') AS finds
           FROM inspections i JOIN crossings c USING (crossing_id)
           GROUP BY ALL HAVING count(*) >= 5 ORDER BY searches DESC""",
        history,
    )
    searched = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    for row in searched:
        low, high = clopper_pearson(row["finds"], row["searches"])
        row["share"] = round(row["finds"] / row["searches"], 3)
        row["95 % interval"] = f"{low:.3f} to {high:.3f}"
    _note = "Selected searches say nothing of ordinary traffic: only random checks do."
    mo.vstack(
        [
            mo.md(f"## Finds by post and what led to the search\n\n{_note}"),
            mo.ui.table(searched),
        ]
    )
    return (searched,)


@app.cell
def _(history):
    table = history.tables(["crossings"])["crossings"]
    by_gaps = sorted(table.column_names, key=lambda name: -table[name].null_count)
    missing = {
        name: round(table[name].null_count / len(table), 3)
        for name in by_gaps
        if table[name].null_count
    }
    rows = [{"field": name, "missing": share} for name, share in missing.items()]
    mo.vstack([mo.md("## Share of missing values"), mo.ui.table(rows)])
    return (missing,)


@app.cell
def _(history, network):
    findings = assess_quality(history, network).findings
    said = "\n".join(f"- {one.text}" for one in findings) or "- nothing"
    mo.md(f"## What stands out in the data\n\n{said}")
    return (findings,)


if __name__ == "__main__":
    app.run()
