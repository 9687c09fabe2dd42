"""What stands against a model or an estimate, and what a card says, as the catalogues know it."""

from typing import Final

from api.web.i18n import N_

AGAINST: Final = (
    N_("it has no stored evaluation"),
    N_("it could not be judged: {english}"),
    N_("it has no model card"),
    N_("its bundle is not the one that was registered"),
    N_("it was fitted on other features than those read here"),
    N_("its bundle is missing"),
    N_("its bundle is refused: {english}"),
)
"""What stands against approving a model; doubts about its labels stay as its report says them."""
DOUBTS: Final = (
    N_("more than {amount} of the draws were not carried out in full"),
    N_("draws do not fit their propensities, or do not reach all that is asked about"),
    N_("fewer than {number} effective searches"),
    N_("one search bears more than {amount} of the weight"),
)
"""Why an estimate from logged draws is withheld (:mod:`models.evaluation.off_policy`)."""
CARD: Final = (
    N_("Ranks crossings for inspection at border posts. It advises; people decide."),
    N_("Not for judging a person, and not for any measure other than whether to inspect."),
    N_("Only inspected crossings have labels, so it knows least about what was never searched."),
    N_("It is fitted on the past: after an abrupt change it is wrong until it is fitted again."),
    N_("Where seizures are few, their chances lean on those of discrepancies."),
)
"""What every card says (:mod:`models.training.model_card`)."""
