"""The queue of a post over HTTP and as a page.

page     Pages of the posts and of a queue, and the stream of its changes
reads    The queue with the minutes of its shift, and the vehicles that left it
routes   The queue over HTTP
schemas  The answer of the queue
"""
