"""Training, evaluation and life cycle of models.

array_types  Array types that several rooms share; shapes stand in the docstrings of their users
bundle       A model as signed data files, verified before use, and its scorer
config       Training configuration: every choice of a run, with its default
data         Data sets: rows, labels, selection, and temporal splits
evaluation   Worth of a model: reports, plots, off-policy estimates
explanation  Exact contributions and the sentences made of them
learning     Fitting: base learners, blending, calibration
lifecycle    States of models and the transitions between them
monitoring   Models in service: drift, shadow, trials, integrity
scoring      Evaluation of fitted models, in numpy alone: lines, trees, margins to risk
statistics   Estimates, intervals and tests
training     From a home to a registered candidate
"""
