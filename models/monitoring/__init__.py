"""Models in service: drift, shadow, trials, integrity."""
