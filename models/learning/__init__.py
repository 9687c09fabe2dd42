"""Fitting: base learners, blending, calibration.

base_learners         Base learners of a blend: trees over several seeds, a line, and the
                      prior-seizure score
blending              Blending of a target's parts, by as much evidence as it has
calibration           Calibration: the map from margins to log-odds, and its intercept correction to
                      the level of the random stream
fit                   Fit of a model on what was known at a cut: base learners, blend, calibration
fit_tasks             Fit tasks: which rows and features teach which part of a model
fitted_model          Fitted model: base learners and, for each target, the head that turns margins
                      into a chance
monotone_constraints  Monotone constraints: signs of features that hold before any seizure is known
own_estimators        Estimators of an analyst's own: which become a part of a bundle, and how
scikit_trees          Private parts of scikit-learn's histogram gradient boosting, read and written
                      here alone
tree_walk             Compiled walk of many rows through one ensemble, with scikit-learn's log-odds
                      to the bit
"""
