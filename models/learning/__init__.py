"""Fitting: base learners, blending, calibration."""
