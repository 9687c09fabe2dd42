"""Notifications: waiting approvals, hits of the watch list and alarms, over HTTP and as a page.

page     The page of notifications
reads    Notifications of one caller, as they may see them
routes   Notifications over HTTP
schemas  The answer about notifications
"""
