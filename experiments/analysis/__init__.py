"""Questions of analysts about a home: its records as known at a time, by SQL and as tables."""
