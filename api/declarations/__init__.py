"""Declarations ahead of their vehicles, over HTTP and as a page.

page     Page of the declarations that a post expects
reads    Declarations ahead, each as its reader may see it
routes   Declarations ahead over HTTP
schemas  Answers about declarations ahead
steps    Lodging, amending and cancelling a declaration, for one sender
"""
