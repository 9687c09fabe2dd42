"""Fitting: base learners, blending, calibration.

base_learners         What are the parts of a blend, and how is one fitted? Trees over several
                      seeds, and a line
blending              How do a target's parts get probabilities? By as much of its own evidence
                      as there is
calibration           What does a margin mean? Fits the map from the trees' log-odds to
                      calibrated log-odds
feature_screening     Which features say anything, alone, about what is found later? The rest
                      only crowd the draw
fit                   How is a model learnt from what was known at a cut? Trees and a line, a
                      blend, a calibration
fit_tasks             Which rows teach which part? Inspected ones, linked finds with companions,
                      first fingerprints
fitted_model          What is a fitted model? Trees, lines and, for each target, how their
                      margins become a chance
intercept_correction  At what level do chances lie among all arrivals? Where the random stream's
                      lie, as far as known
monotone_constraints  Which way does the field say a fact points? Signs that hold before any
                      seizure is known
prior_finds_score     What do earlier finds on whoever takes part say by themselves? A line
                      whose slopes nobody fits
scikit_trees          Private parts of scikit-learn's histogram gradient boosting, read and
                      written here alone
"""
