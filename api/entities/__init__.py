"""A vehicle or a party: its page, what it is connected with, the search and its records."""
