"""Risk profiles over HTTP and as pages.

comparison        Two profiles side by side
expression_check  Checks an expression as it is written, and lists what one may ask for
page              Risk profiles for people
page_forms        What the forms about profiles and the watch list record, through the JSON
                  routes' own steps
proposals         Profiles and the watch list for one request
routes            Risk profiles
schemas           Answers about profiles and the watch list as data
"""
