"""States of models and the transitions between them.

bundle_check  Check of bundles on the disk against the records that name them
projection    State of every model, read from the journal's records about models
refusals      Refusals of a step of promotion: message identifiers with English templates
states        States of models: the table of their transitions, over the journal's records
transitions   Steps of promotion: who may take each, and the records that it leaves
"""
