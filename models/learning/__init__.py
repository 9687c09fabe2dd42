"""Fitting: base learners, blending, calibration.

base_learners         Base learners of a blend: tree ensembles over several seeds, and a linear part
blending              Blending of a target's parts, by as much evidence as it has
calibration           Calibration: the map from margins to calibrated log-odds
feature_screening     Screening of features that say nothing alone about later finds
fit                   Fit of a model on what was known at a cut: base learners, blend, calibration
fit_tasks             Fit tasks: which rows teach which part of a model
fitted_model          Fitted model: base learners and, for each target, the head that turns margins
                      into a chance
intercept_correction  Intercept correction of chances to the level of the random stream
monotone_constraints  Monotone constraints: signs of features that hold before any seizure is known
prior_finds_score     Prior-seizure score: a linear term with fixed coefficients
scikit_trees          Private parts of scikit-learn's histogram gradient boosting, read and written
                      here alone
"""
