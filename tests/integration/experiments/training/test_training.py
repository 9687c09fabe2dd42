"""Exercises: picks, what a search finds, and how trainees of known skill are ranked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from engine.errors import InputError
from engine.search_orders.rates import PRIOR
from experiments.exercises import (
    PAPERS,
    Answer,
    Case,
    Course,
    Exercise,
    Pick,
    Solution,
    check_pick,
    compare_trainee,
    compose,
    compute_budget,
    encode_exercise,
    fill_budget,
    find,
    join_outcomes,
    list_misses,
    measure_baseline,
    measure_skill,
    pick_best,
    plan_answer,
    plan_at_random,
)
from tests.support.sizes import PROOF


def pick_with_skill(
    exercise: Exercise, solution: Solution, skill: float, rng: np.random.Generator
) -> list[Pick]:
    """Return the picks of a trainee who knows a share ``skill``, in [0, 1], of the vehicles."""
    answers = [solution.answers[case.crossing_id] for case in exercise.cases]
    has_find = np.array([answer.has_find for answer in answers])
    knows = rng.random(len(answers)) < skill
    suspects = np.where(knows, has_find, rng.random(len(answers)) < has_find.mean())
    order = np.argsort(rng.random(len(answers)) / 2 - suspects, kind="stable")
    plans = (
        plan_answer(exercise.cases[at], answers[at])
        if knows[at] and has_find[at]
        else plan_at_random(exercise.cases[at], rng)
        for at in order
        if not (knows[at] and not has_find[at])
    )
    return fill_budget(exercise, plans)


PLACES = {PAPERS: 10.0, **dict.fromkeys(PRIOR["truck"], 6.0)}
TRUTH = (
    {f"load-{at}": Answer(place="fuel.tank", value=at % 7) for at in range(40)}
    | {f"wrong-{at}": Answer(wrong="undervalued", value=at % 5) for at in range(90)}
    | {f"clean-{at}": Answer(value=at % 3) for at in range(400)}
)

Exercises = Sequence[tuple[Exercise, Solution]]


def make_course(seed: int, *, vehicles: int = 150) -> Exercises:
    course = Course(vehicles, (1, 2))
    groups = compose(list(TRUTH), TRUTH, course, seed=seed)
    return [
        (
            Exercise(
                f"shift-{level}",
                level,
                compute_budget(vehicles, level),
                tuple(Case(one, {}, (), (), {}, PLACES) for one in group),
            ),
            Solution({one: TRUTH[one] for one in group}),
        )
        for level, group in zip(course.levels, groups, strict=True)
    ]


def rank_trainees(course: Exercises, *, seed: int, blind: bool = False) -> float:
    """Return Kendall's tau of ten trainees' known skill and of the skill that is measured."""
    rng = np.random.default_rng(seed)
    skills = [0.05 + 0.1 * step for step in range(10)]
    measured = []
    others = [measure_baseline(*one) for one in course]
    for skill in skills:
        outcomes = []
        for (exercise, solution), baseline in zip(course, others, strict=True):
            picks = pick_with_skill(exercise, solution, skill, rng)
            scored = list(reversed(picks))[:1] if blind else picks
            outcomes.append(compare_trainee(exercise, solution, scored, baseline=baseline))
        measured.append(measure_skill(join_outcomes(outcomes)))
    return float(kendalltau(skills, measured).statistic)


def test_ten_trainees_of_known_skill_are_ranked() -> None:
    seeds = range(3 if PROOF else 1)
    taus = [rank_trainees(make_course(seed), seed=seed) for seed in seeds]
    assert min(taus) >= 0.8


def test_chance_scores_nothing_and_the_truth_everything() -> None:
    exercise, solution = make_course(3)[0]
    baseline = measure_baseline(exercise, solution)

    def measure(picks: list[Pick]) -> float:
        return measure_skill(compare_trainee(exercise, solution, picks, baseline=baseline))

    assert measure(pick_best(exercise, solution)) == pytest.approx(1.0)
    rng = np.random.default_rng(5)
    by_chance = [measure(pick_with_skill(exercise, solution, 0.0, rng)) for _ in range(20)]
    assert abs(np.mean(by_chance)) < 0.1


def test_a_search_finds_what_lies_where_it_looks_for_long_enough() -> None:
    case = Case("c", {}, (), (), {}, PLACES)
    both = Answer(place="fuel.tank", wrong="undervalued")
    assert find(case, both, [("fuel.tank", 6.0), (PAPERS, 10.0)]) == (PAPERS, "fuel.tank")
    assert find(case, both, [("fuel.tank", 5.9)]) == ()
    assert find(case, both, [("cab.dash", 60.0)]) == ()
    assert find(case, Answer(), [(PAPERS, 10.0)]) == ()


@pytest.mark.parametrize(
    ("pick", "field"),
    [
        (Pick("elsewhere", ((PAPERS, 10.0),)), "crossing_id"),
        (Pick("{first}", ()), "places"),
        (Pick("{first}", ((PAPERS, 10.0), (PAPERS, 10.0))), "places"),
        (Pick("{first}", (("cab.cellar", 5.0),)), "places"),
        (Pick("{first}", ((PAPERS, -1.0),)), "places"),
        (Pick("{first}", ((PAPERS, float("nan")),)), "places"),
        (Pick("{first}", tuple((place, 500.0) for place in ("cab.dash", "cab.seat"))), "places"),
    ],
)
def test_a_pick_that_is_not_allowed_names_its_field(pick: Pick, field: str) -> None:
    exercise, _ = make_course(1)[0]
    first = exercise.cases[0].crossing_id
    with pytest.raises(InputError, match=field):
        check_pick(exercise, replace(pick, crossing_id=pick.crossing_id.format(first=first)), ())


def test_a_vehicle_is_picked_once() -> None:
    exercise, _ = make_course(1)[0]
    pick = Pick(exercise.cases[0].crossing_id, ((PAPERS, 10.0),))
    check_pick(exercise, pick, ())
    with pytest.raises(InputError, match="final"):
        check_pick(exercise, pick, [pick])


def test_what_was_missed_says_why_it_could_have_been_seen() -> None:
    case = Case("c", {}, (), (), {}, PLACES)
    exercise = Exercise("shift-1", 1, 60.0, (case, replace(case, crossing_id="d")))
    night = {"text": "It came at night."}
    seen = Answer(place="fuel.tank", reasons=(night,), value=1.0, channel="red")
    solution = Solution({"c": seen, "d": Answer()})
    [missed] = list_misses(exercise, solution, [])
    assert (missed["why"], missed["place"]) == ("not_picked", "fuel.tank")
    assert missed["reasons"] == [night] and missed["engine_picked"]
    [missed] = list_misses(exercise, solution, [Pick("c", ((PAPERS, 10.0),))])
    assert missed["why"] == "searched_elsewhere"
    assert list_misses(exercise, solution, [Pick("c", (("fuel.tank", 6.0),))]) == []


def test_what_a_trainee_sees_does_not_depend_on_the_truth() -> None:
    exercise, solution = make_course(2)[0]
    shown = encode_exercise(exercise).decode()
    assert "undervalued" not in shown and solution.salt not in shown


def test_exercises_share_no_vehicle_and_have_the_finds_of_their_level() -> None:
    first, second = make_course(6)
    names = [{case.crossing_id for case in exercise.cases} for exercise, _ in (first, second)]
    assert not names[0] & names[1]
    finds = [
        sum(one.has_find for one in solution.answers.values()) for _, solution in (first, second)
    ]
    assert finds == [45, 30]
