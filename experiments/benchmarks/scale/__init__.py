"""Growth of a home with its history: load, counters, training, decisions and pages.

growth_laws  Growth of costs with the history: powers between two sizes, and a picture
run          Commands and services of homes of several sizes
sized_home   A home of one size, made by the commands
"""
