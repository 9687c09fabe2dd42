"""Risk profiles: their language, its checker, and the matcher.

checker        Type check of an expression, its largest cost, and its translation to CEL
fields         Fields that a profile can read, and the values that they are given
matcher        Profiles in force that fit an arrival, and counts of shadow profiles
parser         Parser of expressions
profile        Profiles: proposal, validity, state
program        Expressions ready to run
refusals       Refusals of an expression: message identifiers with English templates
templates      Templates of profiles, which ship switched off
"""
