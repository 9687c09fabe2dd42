"""Audits after release, over HTTP and as a page.

page     The page of the audits to do
reads    Audits to do, and their closing, for one caller
routes   Audits after release over HTTP
schemas  Answers about audits after release
"""
