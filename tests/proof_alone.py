"""Tests that ``make proof`` alone runs, each with what shows its promise for every change.

``make test`` and ``make integration`` must stay short. A test may move here where a smaller one has
the same promise and the same seeded bug: one of two stores, one of four languages, one of two ways
through the same pages; a whole trial moves where smaller tests together have its promises. Keys and
values are ``file``, ``file[case]``, ``file::test`` or ``file::test[case]``, below ``tests``; a case
is a parameter, or the whole identifier where it holds a hyphen.
"""

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
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
    *(
        f"service/links/{name}.py"
        for name in (
            "test_node_accounts",
            "test_node_recompute",
            "test_post_orders",
            "test_post_reports",
            "test_seeds_ahead",
            "test_silent_centre",
        )
    ),
    *(
        f"service/links/test_post_records.py::{test}"
        for test in (
            "test_power_of_the_node_is_none_at_the_centre",
            "test_records_that_come_again_are_known",
            "test_the_overview_sees_a_node_that_is_cut_off",
            "test_what_is_not_at_the_centre_yet_is_said",
        )
    ),
    "store/api/links/test_movements.py",
    "store/api/network/test_network_history.py::test_a_count_is_used_again_for_some_seconds",
    "store/api/network/test_network_history.py::test_seeded_bugs_are_seen",
    *(
        f"store/api/webhooks/test_delivery.py::{test}"
        for test in (
            "test_a_receiver_says_when_to_try_again",
            "test_a_receiver_that_answers_too_late_gets_the_event_again",
            "test_a_row_of_the_outbox_alone_is_no_event",
            "test_an_edited_record_opens_no_endpoint",
            "test_every_refused_or_broken_attempt_is_made_again",
            "test_nothing_is_written_while_no_webhook_exists",
            "test_seeded_bugs_of_retries_are_found",
            "test_what_was_not_recorded_is_not_sent",
            "test_while_a_secret_is_rotated_both_sign",
        )
    ),
    *(
        f"store/engine/audit/test_journal_attacks.py::test_rewritten_audit_{test}"
        for test in (
            "is_found_by_receipts_where_the_chain_was_recomputed",
            "without_receipts_would_be_believed",
        )
    ),
    *(
        f"store/engine/audit/test_verification.py::{test}"
        for test in (
            "test_a_body_that_a_signed_erasure_names_may_be_gone",
            "test_a_chain_over_bodies_alone_would_miss_it",
            "test_a_receipt_of_another_journal_is_found",
            "test_a_signed_erasure_does_not_carry_over_to_another_record",
            "test_after_the_last_receipt_a_forger_is_believed",
            "test_an_erasure_cannot_erase_an_erasure_or_what_comes_after_it",
            "test_an_erasure_that_cannot_be_checked_is_a_fault",
            "test_an_erasure_that_is_not_signed_by_the_home_is_a_fault",
            "test_an_unsigned_erasure_passes_a_check_without_signatures",
            "test_receipts_that_are_not_ours_are_found",
            "test_the_list_of_faults_is_bounded_but_not_their_number",
        )
    ),
    *(
        f"store/engine/criteria/test_dual_control.py::{test}"
        for test in (
            "test_a_release_without_a_feature_fails_no_decision",
            "test_each_month_has_its_own_outcome",
            "test_profiles_are_compiled_again_only_when_one_moved",
            "test_the_list_follows_its_records",
        )
    ),
    *(
        f"store/engine/journal/test_clock.py::{test}"
        for test in (
            "test_a_store_without_an_anchor_follows_its_clock",
            "test_a_replay_of_an_acceptance_moves_no_anchor",
            "test_a_step_of_a_few_minutes_is_followed",
            "test_after_a_restart_of_the_machine_a_night_is_believed",
            "test_small_steps_do_not_add_up",
            "test_time_that_passed_is_followed",
        )
    ),
    "store/engine/journal/test_journal_format.py::test_another_byte_order_would_be_found",
    "store/engine/cases/test_file_store.py"
    "::test_a_killed_process_leaves_nothing_that_a_sweep_does_not_take",
    "store/engine/links/test_matches.py",
    "store/engine/links/test_request_exchange.py",
    "store/engine/links/test_witness.py",
    "store/engine/targeting/test_targeting.py::test_every_stored_decision_is_computed_again",
    *(
        f"store/features/online/test_counter_log.py::{test}"
        for test in (
            "test_a_log_that_is_emptied_before_its_last_slice_is_caught",
            "test_a_memory_of_what_was_undone_is_caught",
            "test_an_overlay_that_is_lost_is_caught",
            "test_what_is_undone_was_never_seen",
        )
    ),
    "store/features/online/test_counter_store.py",
    "store/features/online/test_entity_history.py",
    "store/features/online/test_parity_processes.py"
    "::test_a_process_that_does_not_wait_for_the_others_is_caught",
    *(
        f"store/features/online/test_parity_replay.py::{test}"
        for test in (
            "test_a_batch_that_forgets_its_own_events_is_caught",
            "test_a_count_that_overlooks_them_is_caught",
            "test_a_history_with_ties_and_a_service_with_a_bad_clock_equal_bulk",
            "test_a_load_that_drops_ties_is_caught",
            "test_a_load_that_leaves_out_too_much_is_caught",
            "test_a_seek_that_sees_its_own_time_is_caught",
            "test_what_no_later_read_reaches_is_not_needed",
        )
    ),
    "store/features/online/test_search_counts.py",
    *(
        f"store/features/online/test_spread_snapshots.py::{test}"
        for test in (
            "test_a_snapshot_that_peeks_at_later_finds_is_caught",
            "test_a_value_that_is_never_written_again_is_caught",
            "test_reads_wait_for_a_snapshot_that_a_record_of_another_program_made_due",
            "test_what_an_earlier_snapshot_says_stays",
        )
    ),
    "unit/api/training/test_training_home.py",
)
"""On PostgreSQL for the proof: what they say of SQLite hangs on no dialect of their own.

What PostgreSQL itself does stays: the journal, its locks and kills, edits that verification finds,
the queue, parity of replays and of four processes, migrations, targeting and delivery by two
processes. A seeded bug of Python alone is shown on one store.
"""
_FAULTS = "service/service/test_fault_runs.py"
_WAY = "service/links/test_two_homes.py::test_whatever_happens_on_the_way_each_is_recorded_once"
_KILL = (
    "store/engine/cases/test_file_store.py"
    "::test_a_killed_process_leaves_nothing_that_a_sweep_does_not_take"
)
_FORM = "browser/test_forms.py::test_2300_g_is_stored_as_such_or_refused_by_name"
_ACT = "service/web/test_forms.py::test_a_refused_act_says_each_mistake_at_its_field"
_CSV = "service/http/test_csv_lists.py::test_every_page_of_a_list_links_its_files"
_CERTIFICATE = (
    "unit/api/training/test_training_pages.py"
    "::test_a_certificate_is_read_back_and_checked_by_its_digest"
)
_ESTIMATOR = "test_a_bundle_serves_and_explains_what_was_fitted"
_EARLIER = (
    "store/features/online/test_counter_store.py"
    "::test_earlier_records_move_every_feature_that_reads_them_and_no_other"
)
_COVERS = (
    "unit/models/evaluation/test_calibration_error.py"
    "::test_its_interval_covers_how_far_off_chances_are"
)
_TRIAL = "unit/engine/selection/test_champion_challenger.py"
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
    # Two servers of PostgreSQL: receipts show there, too, what a restored store lacks.
    "service/service/test_standby.py": (
        "service/service/test_backup.py::test_a_dump_of_postgresql_verifies_after_its_restore"
    ),
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
    **{f"{_CERTIFICATE}[{code}]": f"{_CERTIFICATE}[ru]" for code in ("en", "uz")},
    **{
        f"browser/{test}[en]": f"browser/{test}[ru]"
        for test in (
            "test_cases.py::test_a_find_becomes_a_case_by_keys",
            "test_own_pages.py::test_what_waits_and_what_a_browser_keeps",
            "test_shift_work.py::test_a_roster_is_put_and_a_shift_handed_over_by_keys",
        )
    },
    # Run by ``make check`` too, which a change must pass as well.
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
        f"service/models/test_own_estimators_served.py::test_an_estimator_decides_as_it_learnt"
        f"[{name}]": f"unit/models/learning/test_own_estimators.py::{_ESTIMATOR}[{name}]"
        for name in ("boosting", "extra", "forest", "logistic")
    },
    **{
        f"{_KILL}[sqlite-{step}]": f"{_KILL}[sqlite-on the disk]" for step in ("received", "placed")
    },
    **{
        f"{_EARLIER}[sqlite-{kind}]": f"{_EARLIER}[sqlite-crossings]"
        for kind in ("inspections", "seizures")
    },
    **{
        f"{_TRIAL}::{test}[{case}]": f"{_TRIAL}::{test}[{shown_by}]"
        for test, case, shown_by in (
            ("test_inclusion_is_as_often_as_was_written_down", "champion_higher", "as_drawn"),
            (
                "test_one_number_for_who_leads_and_for_the_score_is_caught",
                "champion_higher",
                "challenger_higher",
            ),
            ("test_a_wrong_weight_is_caught", "shares mixed up", "the other alone"),
            ("test_a_wrong_weight_is_caught", "always even", "the other alone"),
        )
    },
    **{
        f"{_COVERS}[{case}]": f"{_COVERS}[1.6-2000]"
        for case in ("0.5-200", "0.5-2000", "1.0-2000", "1.6-200")
    },
    "unit/models/training/test_label_flip_test.py"
    "::test_a_twentieth_turned_at_one_post_is_found_there_and_nowhere_else[1]": (
        "unit/models/training/test_label_flip_test.py"
        "::test_a_twentieth_turned_at_one_post_is_found_there_and_nowhere_else[0]"
    ),
}
STORIES: Mapping[str, Sequence[str]] = {
    # Requests at once, and memory, of a service in a process of its own; others ask one in theirs.
    **dict.fromkeys(
        (
            f"{_FAULTS}::test_a_hundred_at_once_get_one_decision",
            f"{_FAULTS}::test_the_seeded_bug_is_caught[duplicate-doubled]",
        ),
        (
            "service/decisions/test_decisions.py::test_a_hundred_at_once_are_one_decision",
            "service/service/test_dishonest_senders.py"
            "::test_replay_a_hundred_at_once_are_one_decision",
        ),
    ),
    **dict.fromkeys(
        (
            f"{_FAULTS}::test_a_service_holds_no_more_for_having_answered",
            f"{_FAULTS}::test_the_seeded_bug_is_caught[memory-failed]",
        ),
        ("service/http/test_hostile_bodies.py::test_memory_stays_flat",),
    ),
    # Three services and a demonstration; two services over two links tell the same story.
    "service/links/test_links_demo.py": (
        "service/links/test_partners.py::test_the_story_of_the_seventh_of_march",
    ),
    # Processes that are killed, on PostgreSQL; next to them the same trials in one process.
    "service/links/test_partitions.py::test_what_was_acknowledged_is_at_the_other_side_once": (
        "service/links/test_partitions.py::test_what_never_arrives_is_lost",
        "service/links/test_partitions.py::test_a_restored_disk_is_noticed",
        "store/engine/journal/test_process_kill.py::test_killed_writers_lose_and_double_nothing",
    ),
    "service/links/test_partitions.py::test_without_the_constraint_it_is_there_twice": (
        "service/links/test_post_records.py"
        "::test_a_centre_without_the_unique_constraint_is_found_out",
    ),
    # Two models are trained, and one overtakes the other within two hundred searches.
    "service/models/test_trial_journey.py"
    "::test_a_challenger_that_finds_more_leads_more_and_comes_into_force_by_two": (
        "service/models/test_champion_challenger.py::test_both_lead_as_the_draw_says",
        "service/models/test_champion_challenger.py::test_decisions_of_a_trial_come_out_again",
        "service/models/test_trial_results.py"
        "::test_searches_count_for_the_model_that_alone_wanted_and_led",
        "service/models/test_trial_results.py::test_weeks_that_are_over_make_the_race",
        "service/models/test_model_pages.py"
        "::test_two_people_put_it_into_force_and_one_takes_it_back",
    ),
    # One of four notebooks: what it calls is tested by itself, and what it imports is there.
    "unit/test_notebooks.py::test_what_a_profile_would_have_found": (
        "unit/models/evaluation/test_profile_backtest.py"
        "::test_what_it_would_have_found_is_covered_as_often_as_it_says",
        "unit/test_notebooks.py::test_what_a_notebook_imports_is_there",
        "unit/test_notebooks.py::test_a_first_look",
    ),
    # Synthetic networks with a known truth; small draws of known chances show the same coverage.
    "unit/models/evaluation/test_off_policy_truth.py": (
        "unit/models/evaluation/test_off_policy.py"
        "::test_intervals_cover_the_truth_as_often_as_they_say",
    ),
    # A whole network; a small world of two directions has the same reference and the same control.
    "unit/models/training/test_recent_days.py"
    "::test_of_a_synthetic_network_the_direction_has_not_moved": (
        "unit/models/training/test_recent_days.py"
        "::test_entries_of_a_stationary_network_have_not_moved",
        "unit/models/training/test_recent_days.py::test_a_reference_with_exits_in_it_is_found",
    ),
}
"""Whole trials, each with the tests that together show its promises at small sizes."""


def list_shown_by() -> Mapping[str, Sequence[str]]:
    """Return each name that the proof alone runs, with the tests that show its promises."""
    return {**{name: (one,) for name, one in PROOF_ALONE.items()}, **STORIES}


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
    return tuple(name for name in list_shown_by() if split_name(name)[0] == file)


def is_proof_alone(node: str) -> bool:
    """Tell whether only the proof runs a test."""
    file = split_name(node.removeprefix("tests/"))[0]
    return any(is_named(node, name) for name in _names_of(file))


def list_mistakes(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield names of no test, and tests whose promise only another test of the proof shows."""
    for name in {*names, *(one for shown_by in names.values() for one in shown_by)}:
        file, test, _ = split_name(name)
        path = HERE / file
        if not path.is_file() or (test and test not in _functions(path)):
            yield f"no such test: {name}"
    for name, shown_by in names.items():
        if not shown_by or any(is_named(test, one) for test in shown_by for one in names):
            yield f"shown by the proof alone: {name}"


@cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
