"""States of models and the transitions between them.

states       States of models, read from the journal, and the check of their bundles
transitions  Steps of promotion: who may take each, its records and its refusals
"""
