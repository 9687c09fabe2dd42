"""Risk profiles over HTTP and as pages.

answers  Profiles, the check of an expression, and the fields it may use, as answers
page     Pages of the profiles, with the builder of an expression
routes   Profiles over HTTP
steps    Profiles as a matter of two people, and their backtests
"""
