"""Search for decided vehicles over HTTP and as a page.

page     The page of a search
reads    Decisions that a search finds, each look recorded first
routes   Search over HTTP
schemas  The answer of a search
"""
