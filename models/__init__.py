"""Learning, judging, keeping.

dataset     feature matrix, labels, splits by time
train       two calibrated targets from a point-in-time matrix
calibrate   strictly increasing knots from scores to probabilities
metrics     hit rate, recall at capacity, calibration error, with intervals
report      what a model is worth, for machines and people
bundle      a model as signed data files
scorer      a bundle in force: probabilities and contributions for one row
explain     exact Shapley contributions of the trees, and the sentences made of them
registry    candidates and their history in MLflow
promotion   who approved what, and what is in force
"""
