"""Features of a home: what they hold, and which have moved since an earlier period."""

import marimo

app = marimo.App(width="medium", app_title="Features and drift")


with app.setup:
    import io
    import os

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np

    from experiments.analysis.home_history import open_history
    from features.catalogue.catalogue import CATALOGUE
    from models.statistics.drift import reference, shifts


@app.cell
def _():
    home = os.environ.get("DARVOZA_HOME", "var")
    as_of = None
    recent_share = 0.25
    return as_of, home, recent_share


@app.cell
def _(as_of, home):
    dataset = open_history(home, as_of).dataset()
    synthetic = (
        " **These data are synthetic: nothing in them is real.**" if dataset.synthetic else ""
    )
    mo.md(
        f"# Features and drift\n\n{len(dataset):,} crossings, {len(dataset.names)} features, "
        f"each as known at its crossing.{synthetic}"
    )
    return (dataset,)


@app.cell
def _(dataset):
    known = 1 - np.isnan(dataset.values).mean(axis=0)
    rows = [
        {
            "feature": name,
            "family": CATALOGUE[name].family,
            "known": round(float(share), 3),
            "values": len(np.unique(dataset.values[:, place])),
        }
        for place, (name, share) in enumerate(zip(dataset.names, known, strict=True))
    ]
    constant = [row["feature"] for row in rows if row["values"] == 1]
    _note = f"{len(constant)} have one value alone."
    mo.vstack([mo.md(f"## What the features hold\n\n{_note}"), mo.ui.table(rows)])
    return constant, rows


@app.cell
def _(dataset, recent_share):
    cut = round(len(dataset) * (1 - recent_share))
    entries = dataset.entries
    earlier, recent = entries.copy(), entries.copy()
    earlier[cut:] = False
    recent[:cut] = False
    before = reference(dataset.values[earlier], dataset.names)
    found = shifts(before, dataset.values[recent])
    table = [
        {
            "feature": one.name,
            "PSI": round(one.psi, 3),
            "by chance up to": round(one.noise, 3),
            "moved": one.has_moved,
        }
        for one in found
    ]
    _note = (
        "Counters over long windows grow while a history is short: a shift says where to look, "
        "not that a model is wrong."
    )
    mo.vstack([mo.md(f"## What has moved\n\n{_note}"), mo.ui.table(table)])
    return earlier, found, recent


@app.cell
def _(dataset, earlier, found, recent):
    farthest = found[0].name
    column = dataset.values[:, dataset.names.index(farthest)]
    figure, axes = plt.subplots(figsize=(6, 3))
    for _rows, _label in ((earlier, "before"), (recent, "recently")):
        _known = column[_rows][~np.isnan(column[_rows])]
        axes.hist(_known, bins=20, density=True, histtype="step", label=_label)
    axes.set(title=farthest, ylabel="density")
    axes.legend()
    plt.close(figure)
    _drawn = io.StringIO()
    figure.savefig(_drawn, format="svg")
    mo.Html(_drawn.getvalue())
    return (farthest,)


if __name__ == "__main__":
    app.run()
