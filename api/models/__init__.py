"""Models over HTTP and as a page.

answers  States, cards, reports and comparisons of models, as answers
page     Pages of the models
routes   Models over HTTP
steps    Steps of one person about a model, for the command line and HTTP
"""
