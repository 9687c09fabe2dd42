"""A person's own account, as a page.

page  The account's password, sessions, language, clock and appearance
"""
