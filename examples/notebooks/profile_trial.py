"""What a risk profile would have found, before it is proposed."""

import marimo

app = marimo.App(width="medium", app_title="What a profile would have found")


with app.setup:
    import os

    import marimo as mo

    from engine.criteria.profiles.profile import BacktestSubject
    from experiments.analysis.home_history import open_history
    from models.evaluation.profile_backtest import profile_backtest


@app.cell
def _():
    home = os.environ.get("DARVOZA_HOME", "var")
    as_of = None
    expression = 'crossing.vehicle_class == "truck" && crossing.is_empty'
    days = 90
    return as_of, days, expression, home


@app.cell
def _(as_of, days, expression, home):
    records = open_history(home, as_of).records()
    found = profile_backtest(records, BacktestSubject(expression), days=days)
    synthetic = (
        " **These data are synthetic: nothing in them is real.**" if found["synthetic"] else ""
    )
    mo.md(f"# What a profile would have found\n\n`{expression}`, the last {days} days.{synthetic}")
    return (found,)


@app.cell
def _(found):
    def show(estimate):
        if not estimate["knowable"]:
            return f"not yet knowable: {estimate['why']}"
        return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"

    rows = [
        {"figure": "arrivals", "value": f"{found['arrivals']:,}"},
        {"figure": "matches", "value": f"{found['matches']:,}"},
        {"figure": "matches a day", "value": f"{found['matches_per_day']:.1f}"},
        {"figure": "minutes of inspection a day", "value": f"{found['minutes_per_day']:,.0f}"},
        {"figure": "matches that were inspected", "value": f"{found['inspected']:,}"},
        {"figure": "hit rate of these", "value": show(found["hit_rate"])},
        {
            "figure": "hit rate of random checks that match",
            "value": show(found["random"]["hit_rate"]),
        },
        {"figure": "hit rate of all random checks", "value": show(found["base_rate"])},
    ]
    _note = (
        "The first rate is of searches that were mostly selected; those of random checks are not."
    )
    mo.vstack([mo.ui.table(rows), mo.md(_note)])
    return (rows,)


@app.cell
def _(found):
    named = ", ".join(found["proxies"])
    mo.md(f"It reads what could stand for a person's origin: {named}." if named else "")
    return


if __name__ == "__main__":
    app.run()
