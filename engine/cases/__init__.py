"""Cases: what follows a find, from its opening to its end."""
