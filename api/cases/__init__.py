"""Cases over HTTP: what follows a find, from its opening to its end.

reads    Cases as one caller sees them, as JSON values
routes   Cases over HTTP
schemas  Answers about cases
steps    Openings and events of one caller, each recorded once
"""
