"""A scikit-learn pipeline over the frames of a home, in a few lines."""

import marimo

app = marimo.App(width="medium", app_title="A scikit-learn pipeline")


with app.setup:
    import os

    import marimo as mo
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from engine.domain.network import read_home_network
    from experiments.analysis.home_history import open_history


@app.cell
def _():
    home = os.environ.get("DARVOZA_HOME", "var")
    as_of = None
    test_share = 0.3  # the last part of the searches is predicted
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.01, max_iter=500)
    )
    return as_of, home, pipeline, test_share


@app.cell
def _(as_of, home):
    history = open_history(home, as_of)
    frames = history.frames(["features", "inspections"])
    values = frames.matrix()  # numpy columns: NaN where missing, no column without a value
    synthetic = (
        " **These data are synthetic: nothing in them is real.**"
        if read_home_network(history.home.network).synthetic
        else ""
    )
    mo.md(
        f"# A scikit-learn pipeline\n\n{values.shape[0]:,} crossings, {values.shape[1]} features; "
        f"{len(frames.empty['features'])} more have no value at all.{synthetic}"
    )
    return frames, values


@app.cell
def _(frames, pipeline, test_share, values):
    acts = frames["inspections"].sort_values("known_at").drop_duplicates("crossing_id")
    found = (acts.set_index("crossing_id")["outcome"] != "clear").reindex(values.index).dropna()
    searched, label = values.loc[found.index], found.astype(int)  # in the order of their features
    cut = round(len(searched) * (1 - test_share))
    pipeline.fit(searched.iloc[:cut], label.iloc[:cut])
    chance = pipeline.predict_proba(searched.iloc[cut:])[:, 1]
    precision = float(average_precision_score(label.iloc[cut:], chance))
    base = float(label.iloc[cut:].mean())
    mo.md(
        f"Average precision on {len(chance):,} later searches: {precision:.3f}, where chance gives "
        f"{base:.3f}.\n\nLabels may have become known after the features of later rows were cut: "
        "`split_at` (notebook *A model of one's own*) also holds back what was not known by then."
    )
    return base, chance, precision


if __name__ == "__main__":
    app.run()
