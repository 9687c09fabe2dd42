"""Why an expression is refused, or a model, and what a card says, as the catalogues know it.

The language of profiles says it in English (:mod:`engine.criteria.profiles.checker`); a test says
every refusal in every language, so that a new one cannot be forgotten here.
"""

from typing import Final

from api.web.i18n import N_

REFUSALS: Final = (
    N_("the expression is longer than {number} characters"),
    N_("nothing of the language begins here"),
    N_("more than {number} words and signs"),
    N_("an operator or the end was expected"),
    N_("{code} was expected"),
    N_("nests deeper than {number} levels"),
    N_("comparisons do not chain: join them with &&"),
    N_("more than {number} terms in one sum or product"),
    N_("the name of a field or function was expected"),
    N_("only crossing, declaration, features and goods have fields"),
    N_("{code} takes a name and a condition: (g, g.field == ...)"),
    N_("a list holds texts or numbers"),
    N_("a value was expected"),
    N_("this escape is not offered in texts"),
    N_("the whole must be true or false, it is a {kind}"),
    N_("it asks nothing of the crossing"),
    N_("may take {number} steps, more than {of}"),
    N_("more than {number} parts, or nested too deep"),
    N_("a number beyond {code}"),
    N_("a text has up to {number} printable characters"),
    N_("an empty list holds nothing"),
    N_("a list holds texts or numbers, not both"),
    N_("a goods item has fields: write one after a full stop"),
    N_("no such name: crossing., declaration., features. or goods"),
    N_("the elements of this list have no fields"),
    N_("no such feature; close to it: {names}"),
    N_("no such feature"),
    N_("no such field of {code}; close to it: {names}"),
    N_("no such field of {code}"),
    N_("no such function; there are {names} and macros"),
    N_("{code} was given too few or too many arguments"),
    N_("has(...) takes one field that may be missing"),
    N_("size(...) takes a list or a text"),
    N_("{code} is asked of a text, about a text"),
    N_("matches takes a pattern written out in quotes"),
    N_("a pattern has up to {number} ASCII characters"),
    N_("a pattern has no curly brackets, no backslash and no (?: its cost is unbounded"),
    N_("this is no regular expression"),
    N_("{code} is asked of goods or of a list"),
    N_("a list that is written out needs no macro: use in"),
    N_("this name is taken: call the element otherwise"),
    N_("the condition of {code} must be true or false"),
    N_("{code} between a {kind} and a {other}"),
    N_("it is one of {names}"),
    N_("{code} of a {kind}, not of a {other}; compare it: == 1"),
    N_("{code} of a {kind}, not of a {other}"),
)
KINDS: Final = (
    N_("bool"),
    N_("number"),
    N_("text"),
    N_("texts"),
    N_("numbers"),
    N_("items"),
    N_("item"),
)
"""What a part of an expression can be."""
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
