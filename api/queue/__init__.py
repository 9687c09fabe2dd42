"""The queue over HTTP and as a page.

outcomes_page  Vehicles of a post that were inspected or released in the running shift
page           The queue of a post
page_data      What waits at a post, as its page shows it
posts_page     Which posts there are, and what waits at each
routes         What waits at a post
"""
