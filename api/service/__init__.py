"""The running service: settings, parts, metrics, logs."""
