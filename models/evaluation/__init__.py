"""Worth of a model: reports, plots, off-policy estimates."""
