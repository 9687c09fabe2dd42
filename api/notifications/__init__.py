"""Notifications: waiting approvals, hits of the watch list and alarms, over HTTP and as a page.

event_bodies  Bodies of events, as their receiver may see them
page          The page of notifications
reads         Notifications of one caller, as they may see them
routes        Notifications over HTTP
schemas       The answer about notifications
"""
