"""Tests that ``make proof`` alone runs, each with what shows its promise in ``make test``.

``make test`` must stay short. A test may move here where a smaller one has the same promise and the
same seeded bug: one of two stores, one of four languages, one of two ways through the same pages.
Keys and values are ``file``, ``file[case]``, ``file::test`` or ``file::test[case]``, below
``tests``; a case is a parameter, or the whole identifier where it holds a hyphen.
"""

import ast
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
IS_PROOF = bool(os.environ.get("DARVOZA_PROOF"))

_POSTGRESQL = (
    "service/audit/test_erasure.py",
    "service/audit/test_home_rebuild.py",
    "service/audit/test_projections.py",
    "service/auth/test_authority.py",
    "service/service/test_clock_jumps.py",
    "service/webhooks/test_killed_service.py",
    "service/service/test_fault_runs.py::test_what_was_acknowledged_survives_its_service",
    "store/api/auth/test_credential_adoption.py",
    "store/api/webhooks/test_delivery.py"
    "::test_after_the_last_attempt_an_event_is_set_aside_until_it_is_sent_again",
    "store/api/webhooks/test_delivery.py"
    "::test_an_endpoint_that_is_gone_or_fails_for_days_is_disabled_with_an_alarm",
    "store/api/webhooks/test_delivery.py"
    "::test_a_receiver_that_is_down_for_an_hour_gets_every_event_in_order",
    "store/engine/audit/test_draw_verification.py",
    "store/engine/declarations/test_declarations_at_size.py"
    "::test_each_vehicle_is_decided_with_the_right_declaration_and_none_is_used_twice",
    "store/engine/declarations/test_declarations_at_size.py::test_seeded_bugs_are_found",
    "store/engine/journal/test_one_line.py",
    "store/engine/links/test_exchange.py",
    "store/engine/shifts/test_running_totals.py",
    "store/features/online/test_counter_store.py",
    "store/features/online/test_entity_history.py",
    "store/features/online/test_parity_processes.py"
    "::test_a_process_that_does_not_wait_for_the_others_is_caught",
    "store/features/online/test_search_counts.py",
)
"""On PostgreSQL for the proof: what they say of SQLite hangs on no dialect of their own.

What PostgreSQL itself does stays: the journal, its locks and kills, verification, the queue, parity
of replays and of four processes, migrations, targeting and delivery by two processes.
"""
_FAULTS = "service/service/test_fault_runs.py"
_WAY = "service/links/test_two_homes.py::test_whatever_happens_on_the_way_each_is_recorded_once"
_FORM = "browser/test_forms.py::test_2300_g_is_stored_as_such_or_refused_by_name"
_ACT = "service/web/test_forms.py::test_a_refused_act_says_each_mistake_at_its_field"
_CSV = "service/http/test_csv_lists.py::test_every_page_of_a_list_links_its_files"
_COVERS = (
    "unit/models/evaluation/test_calibration_error.py"
    "::test_its_interval_covers_how_far_off_chances_are"
)
_REPLAY = (
    "service/audit/test_decision_replay.py"
    "::test_a_record_of_the_rule_before_stands_with_the_figures_behind_its_words"
)
PROOF_ALONE: Mapping[str, str] = {
    **{f"{name}[postgresql]": f"{name}[sqlite]" for name in _POSTGRESQL},
    # Two faults of a whole service: a full disk is the other store that fails, with the same bug.
    f"{_FAULTS}::test_a_service_without_its_store_asks_for_patience[store-restart]": (
        f"{_FAULTS}::test_a_service_without_its_store_asks_for_patience[disk-full]"
    ),
    f"{_FAULTS}::test_the_seeded_bug_is_caught[store-restart-lost]": (
        f"{_FAULTS}::test_the_seeded_bug_is_caught[disk-full-lost]"
    ),
    f"{_FAULTS}::test_strangers_fill_and_stop_nothing": (
        "service/http/test_connection_limits.py::test_a_giant_head_is_refused"
    ),
    f"{_FAULTS}::test_the_seeded_bug_is_caught[strangers-failed]": (
        "service/http/test_connection_limits.py::test_the_bare_server_takes_a_giant_head"
    ),
    f"{_WAY}[kill]": f"{_WAY}[lose_answer]",
    # One way of two, one language of four.
    "browser/test_analysts.py::test_a_model_by_two_people[ru, without]": (
        "browser/test_analysts.py::test_a_model_by_two_people[en, with scripts]"
    ),
    "browser/test_analysts.py::test_a_profile_from_the_editor_into_force[en, with scripts]": (
        "browser/test_analysts.py::test_a_profile_from_the_editor_into_force[ru, without]"
    ),
    **{f"{_FORM}[{code}]": f"{_FORM}[ru]" for code in ("en", "tg", "uz")},
    **{f"{_ACT}[{code}]": f"{_ACT}[ru]" for code in ("tg", "uz")},
    **{f"{_CSV}[{code}]": f"{_CSV}[ru]" for code in ("en", "tg", "uz")},
    # A process of its own for what others show in theirs.
    "unit/api/cli/test_child_failure.py::test_a_real_command_that_refuses_says_why": (
        "service/profiles/test_profiles.py::test_a_backtest_runs_as_a_command_of_its_own"
    ),
    "unit/models/training/test_mlflow_pages.py::test_mlflow_itself_stands_behind_it": (
        "unit/models/training/test_mlflow_tracking.py"
        "::test_a_run_keeps_its_choices_figures_and_digests"
    ),
    "unit/experiments/benchmarks/test_growth.py::test_every_run_has_its_figure_and_its_bound": (
        "unit/experiments/benchmarks/test_growth.py"
        "::test_a_run_in_a_process_of_its_own_says_what_it_held"
    ),
    # More sizes, seeds and cases of one statement.
    **{
        f"{_COVERS}[{case}]": f"{_COVERS}[1.6-2000]"
        for case in ("0.5-200", "0.5-2000", "1.0-2000", "1.6-200")
    },
    **{
        f"{_REPLAY}[{case}]": f"{_REPLAY}[1e-12-of_other_words]"
        for case in ("0.0-of_other_words", "1e-12-of_the_rule_before")
    },
    "unit/models/training/test_label_flip_test.py"
    "::test_a_twentieth_turned_at_one_post_is_found_there_and_nowhere_else[1]": (
        "unit/models/training/test_label_flip_test.py"
        "::test_a_twentieth_turned_at_one_post_is_found_there_and_nowhere_else[0]"
    ),
}


def split_name(name: str) -> tuple[str, str, str]:
    """Return file, test and case of a name, each empty where it is not named."""
    plain, _, case = name.partition("[")
    file, _, test = plain.partition("::")
    return file, test, case.removesuffix("]")


def is_named(node: str, name: str) -> bool:
    """Tell whether a name of this module stands for a test that pytest has collected."""
    file, test, case = split_name(name)
    its_file, its_test, its_case = split_name(node.removeprefix("tests/"))
    if file != its_file or test not in ("", its_test):
        return False
    return not case or case == its_case or case in its_case.split("-")


@cache
def _names_of(file: str) -> tuple[str, ...]:
    return tuple(name for name in PROOF_ALONE if split_name(name)[0] == file)


def is_proof_alone(node: str) -> bool:
    """Tell whether only the proof runs a test."""
    file = split_name(node.removeprefix("tests/"))[0]
    return any(is_named(node, name) for name in _names_of(file))


def list_mistakes(names: Mapping[str, str] = PROOF_ALONE) -> Iterator[str]:
    """Yield names of no test, and tests whose promise only another test of the proof shows."""
    for name in {*names, *names.values()}:
        file, test, _ = split_name(name)
        path = HERE / file
        if not path.is_file() or (test and test not in _functions(path)):
            yield f"no such test: {name}"
    for name, shown_by in names.items():
        if any(is_named(shown_by, one) for one in names):
            yield f"shown by no test of make test: {name}"


@cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
