"""Trainees of known skill, to test the comparison.

Of each vehicle a scripted trainee knows the truth with the probability of the skill, and searches
it where it has to be searched; of the others suspects as many as there are finds, at random, and
searches their papers and one place at random.
"""

import numpy as np

from experiments.exercises import Exercise, Pick, Solution, fill_budget, plan_answer, plan_at_random


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
