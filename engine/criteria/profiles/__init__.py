"""Risk profiles: their language, its checker, and the matcher.

checker     Fields, type check and largest cost of an expression; its evaluation through CEL
hard_facts  Sentences of profiles on what is impossible across the line
parser      Parser of expressions, and the refusals of one as messages
profile     Profiles: proposal, templates, validity, state, and which of them fit an arrival
"""
