"""Training, evaluation and life cycle of models.

bundle       A model as signed data files, verified before use
data         Data sets: rows, labels, selection, and temporal splits
evaluation   Worth of a model: reports, plots, off-policy estimates
explanation  Exact contributions and the sentences made of them
learning     Fitting: base learners, blending, calibration
lifecycle    States of models and the transitions between them
monitoring   Models in service: drift, shadow, trials, integrity
scoring      Evaluation of fitted models, in numpy alone
statistics   Estimates, intervals and tests
training     From a home to a registered candidate
array_types  Array types that several rooms share; shapes stand in the docstrings of their users
config       Training configuration: every choice of a run, with its default
"""
