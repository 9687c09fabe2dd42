"""The watch list over HTTP and as pages.

page     The page of the watch list and its form
preview  Preview of an entry: what it would have matched
reads    Entries of the watch list
routes   The watch list, and notices of a counterpart, over HTTP
schemas  Answers about the watch list
"""
