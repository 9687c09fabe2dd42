"""The integrity report of a post, over HTTP and as a page.

page     The page of the integrity report
reads    Officers and carriers, releases and overrides, compared with chance
routes   The integrity report over HTTP
schemas  The answer of the integrity report
"""
