"""The ways in: HTTP routes, the command line, migrations; the only place that composes."""
