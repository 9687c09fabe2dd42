"""Every notebook runs from a clean home, and shows what its page promises."""

import ast
import importlib.util
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from api.cli.main import app
from models.config import TrainConfig, Trees

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
LINE = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=0.01))
_TREES = Trees(iterations=4, depth=2, leaves=4, seeds=1)
QUICK = TrainConfig(
    discrepancy=_TREES, seizure=_TREES, weights="even", folds=1, jobs=1, few_discrepancies=2
)
# What notebooks draw with is not ours to keep quiet.
pytestmark = pytest.mark.filterwarnings("ignore")


def run_command(*words: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Load a small synthetic folder in which every third search without a find has one."""
    root = tmp_path_factory.mktemp("notebooks")
    folder = root / "folder"
    run_command("synth", str(folder), "--crossings", "2500", "--end", "2026-05-01")
    acts = (folder / "inspections.csv").read_text("utf-8").splitlines()
    more = [line.replace(",clear", ",discrepancy") for line in acts[::3]]
    acts[::3] = more
    (folder / "inspections.csv").write_text("\n".join(acts) + "\n", "utf-8")
    run_command("load", str(folder), "--home", str(root / "home"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DARVOZA_HOME", str(root / "home"))
        yield root / "home"


def run(name: str, **changed: Any) -> tuple[list[str], dict[str, Any]]:
    """Run a notebook as a script does; return what its cells show, as text, and its names."""
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, names = module.app.run(defs=changed) if changed else module.app.run()
    return [one.text for one in outputs if one is not None], dict(names)


def test_every_notebook_is_tested_and_listed() -> None:
    names = {path.stem for path in FOLDER.glob("*.py")}
    assert names == {
        "first_look",
        "features_and_drift",
        "own_model",
        "profile_trial",
        "scikit_pipeline",
    }
    page = (FOLDER.parent / "README.md").read_text("utf-8")
    assert all(f"examples/notebooks/{name}.py`" in page for name in names)


def list_project_imports(path: Path) -> list[tuple[str, str]]:
    """Return module and name of everything that a notebook imports from the project."""
    tree = ast.parse(path.read_text("utf-8"))
    return [
        (node.module, one.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.partition(".")[0] in ("engine", "features", "models", "experiments", "api")
        for one in node.names
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_notebook_imports_is_there(path: Path) -> None:
    """Three of them run at small sizes, all of them in the proof."""
    found = list_project_imports(path)
    assert found
    assert [one for one in found if not hasattr(import_module(one[0]), one[1])] == []


def test_a_first_look(home: Path) -> None:
    shown, names = run("first_look")
    assert "synthetic" in "".join(shown)
    assert names["by_day"].to_numpy().sum() == 2500
    assert names["searched"] and all(0 <= row["share"] <= 1 for row in names["searched"])
    shares = list(names["missing"].values())
    assert shares == sorted(shares, reverse=True) and 0 < shares[0] <= 1


def test_features_and_drift(home: Path) -> None:
    shown, names = run("features_and_drift")
    assert names["found"][0].name == names["farthest"]
    assert names["found"][0].psi >= names["found"][-1].psi
    assert "<svg" in "".join(shown)


def test_a_model_of_ones_own_next_to_the_one_in_force(home: Path) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    own = HistGradientBoostingClassifier(max_iter=10, random_state=1)
    chosen = {"as_of": None, "test_share": 0.4, "config": QUICK, "home": str(home)}
    _, names = run("own_model", estimator=own, **chosen)
    report, split = names["report"], names["split"]
    assert report["synthetic"] and report["arrivals"] <= len(split.test)
    assert {"this model", "configuration in force"} <= set(report["peers"])
    dataset = split.dataset
    assert dataset.label_known_at[split.fit].max() < split.test_from
    assert dataset.arrived_at[split.test].min() >= split.test_from


def test_a_scikit_learn_pipeline_takes_the_frames_at_once(home: Path) -> None:
    shown, names = run("scikit_pipeline", as_of=None, test_share=0.4, home=str(home), pipeline=LINE)
    assert "synthetic" in "".join(shown)
    assert len(names["chance"]) and ((names["chance"] >= 0) & (names["chance"] <= 1)).all()
    assert 0 < names["base"] < 1 and 0 < names["precision"] <= 1
    assert names["values"].shape[1] + len(names["frames"].empty["features"]) == len(
        names["frames"]["features"].columns
    ) - len(("crossing_id", "as_of"))


def test_what_a_profile_would_have_found(home: Path) -> None:
    shown, names = run("profile_trial")
    assert 0 < names["found"]["matches"] < names["found"]["arrivals"]
    assert "hit rate of all random checks" in "".join(shown)
