"""Overview of all posts for headquarters, over HTTP and as a page.

answers  Overview of all posts for one caller, counted from decisions and finds
page     The overview over HTTP and as a page, with its pictures
"""
