"""Overview of all posts for headquarters, over HTTP and as a page.

drawings  Pictures of the overview, as coordinates that its page draws as SVG
history   Decisions and finds of the last weeks, counted once and kept for some seconds
page      The page of the overview
reads     Overview of all posts for one caller
routes    Overview of all posts over HTTP
schemas   Answer of the overview
"""
