"""A model of one's own against the configuration in force, judged on what came later."""

import marimo

app = marimo.App(width="medium", app_title="A model of one's own")


with app.setup:
    import os
    from datetime import UTC, datetime

    import marimo as mo
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    from experiments.analysis.home_history import open_history
    from experiments.analysis.own_scores import judge_scores, score_by_config, split_at


@app.cell
def _():
    home = os.environ.get("DARVOZA_HOME", "var")
    as_of = None
    test_share = 0.3  # the last part of the history is judged
    config = None  # that of the model in force, or else the defaults
    estimator = HistGradientBoostingClassifier(max_depth=4, max_iter=60, random_state=1)
    return as_of, config, estimator, home, test_share


@app.cell
def _(as_of, home, test_share):
    history = open_history(home, as_of)
    dataset = history.dataset()
    cut = int(np.quantile(dataset.arrived_at, 1 - test_share))
    test_from = datetime.fromtimestamp(cut / 1e6, UTC)
    split = split_at(dataset, test_from)
    synthetic = (
        " **These data are synthetic: nothing in them is real.**" if dataset.synthetic else ""
    )
    mo.md(
        f"# A model of one's own\n\nFitted on {len(split.fit):,} searches known before "
        f"{test_from:%Y-%m-%d}, judged on {len(split.test):,} later arrivals.{synthetic}"
    )
    return history, split


@app.cell
def _(estimator, split):
    values, labels = split.fit_rows("discrepancy")
    estimator.fit(values, labels)
    own = estimator.predict_proba(split.test_rows)[:, 1]
    return (own,)


@app.cell
def _(config, history, own, split):
    theirs = score_by_config(history, split, config)
    report = judge_scores(
        split, own, peers={"configuration in force": theirs.p_discrepancy}, config=config
    )
    judged = report["targets"]["discrepancy"]["inspected"]

    def show(estimate):
        if not estimate["knowable"]:
            return f"not yet knowable: {estimate['why']}"
        return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"

    figures = [
        {"figure": name.replace("_", " "), "this model": show(judged[name])}
        for name in ("hit_rate_at_capacity", "recall_at_capacity", "average_precision", "auc")
    ]
    peers = [
        {"average precision of": name, "estimate": show(one)}
        for name, one in report["peers"].items()
    ]
    doubts = "\n".join(f"- {one}" for one in report["cannot_tell"])
    mo.vstack(
        [
            mo.md("## On inspected arrivals, with 95 % intervals"),
            mo.ui.table(figures, wrapped_columns=["this model"]),
            mo.ui.table(peers),
            mo.md(f"## What cannot be known yet\n\n{doubts}"),
            mo.md(
                "`darvoza train --estimator MODULE:FUNCTION` makes a candidate of an estimator, "
                "calibrated, explained and judged like any other."
            ),
        ]
    )
    return (report,)


if __name__ == "__main__":
    app.run()
