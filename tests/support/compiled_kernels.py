"""Compiles the kernels of features and of explanations, once for a tree: ``make setup`` runs it.

numba keeps what it compiled next to the modules. Without it each process that comes first, and in
the tests that are several at a time, compiles the same for twenty seconds. hypothesis keeps the
table of all characters, which it takes two seconds to make.
"""

from unittest.mock import patch

from hypothesis import strategies as st

from api.cli.fork_server import warm
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.offline import kernel
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from features.online.counter_states import load_kernels
from tests.unit.features.random_histories import history, tables


def compile_kernels() -> None:
    """Compute every feature of a few crossings, and explain one."""
    plan = Plan(CATALOGUE)
    log = read_log(tables(history(1, 12)), plan)
    matrix(log, plan)
    with patch.object(kernel, "PARTITION_FROM", 1):  # as a history of many crossings is read
        matrix(log, plan)
    load_kernels()
    warm()


def sort_characters() -> None:
    """Let hypothesis sort all characters by what they are."""
    printable = st.characters(codec="utf-8", categories=("L", "N", "P", "S"))
    printable.validate()


if __name__ == "__main__":
    compile_kernels()
    sort_characters()
