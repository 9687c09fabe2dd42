"""Training, evaluation and life cycle of models."""
