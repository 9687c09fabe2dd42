"""States of models and the transitions between them.

bundle_check  Bundles on the disk against the records that name them
projection    Where every model stands, read from the journal's records about models
states        Which model decides, and where every other stands
transitions   Who may let a model decide, and what is recorded of it
"""
