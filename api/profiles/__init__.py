"""Risk profiles over HTTP and as pages.

comparison          Difference between two profiles
expression_builder  Builder of an expression from rows
page                Pages of the profiles
page_forms          Records made from the forms about profiles and the watch list
proposals           Steps of one caller about profiles and the watch list, each recorded once
reads               Profiles, the check of an expression, and the fields it may use
routes              Profiles over HTTP
schemas             Answers about profiles
"""
