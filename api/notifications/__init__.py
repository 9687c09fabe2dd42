"""Notifications: waiting approvals, hits of the watch list and alarms, over HTTP and as a page.

answers       Notifications of one caller, as they may see them
event_bodies  Bodies of events, as their receiver may see them
routes        Notifications over HTTP and as a page
"""
