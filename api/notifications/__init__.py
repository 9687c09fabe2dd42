"""Notifications: waiting approvals, hits of the watch list and alarms, over HTTP and as a page."""
