"""Models over HTTP and as a page.

lifecycle      What one person does to a model, from the command line and over HTTP alike
page           Models for people
reads          Models as people read them
routes         Which models there are, who approves them, and the way back to rules alone
schemas        Answers about models as data
trial_schemas  Answers about a trial of two models as data
"""
