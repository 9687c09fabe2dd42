"""Notifications: what waits for a person or calls for a look, over HTTP and as a page.

page     The page of notifications
reads    What waits for one caller, as they may see it
routes   Notifications over HTTP
schemas  The answer about notifications
"""
