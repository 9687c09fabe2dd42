"""Small networks of other mechanisms than the main generator's: nothing in them is real.

hidden_risks  Trips of a small network, and what makes them carry
network_year  The year of a small network, and its bulk folder with the truth
"""
