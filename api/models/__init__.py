"""Models over HTTP and as a page.

lifecycle  Lifecycle steps of one person, for the command line and HTTP
page       Pages of the models
reads      States, cards, reports and comparisons of models
routes     Models over HTTP
schemas    Answers about models
"""
