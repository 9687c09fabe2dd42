"""Fitting: base learners, blending, calibration.

base_learners   Base learners of a blend: trees over several seeds, a line, and the
                      prior-seizure score
calibration     Blending of a target's parts, and calibration of its margin
fit             Fit of a model on what was known at a cut, and the fitted model
fit_tasks       Fit tasks: which rows, features and signs teach which part of a model
own_estimators  Estimators of an analyst's own: which become a part of a bundle, and how
scikit_trees    Private parts of scikit-learn's histogram gradient boosting, read and written
                      here alone
tree_walk       Compiled walk of many rows through one ensemble, with scikit-learn's log-odds
                      to the bit
"""
