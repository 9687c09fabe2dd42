"""The demonstration: weeks and shifts that are lived on synthetic data, and links.

linked_homes  Homes of two administrations and a post, with links in force between them
links         Demonstration of links: a border post, its centre, the administration opposite
shifts        The last shifts of the demonstration, decided on by its model as they passed
weeks         Eight weeks of work at one line, with which the demonstration begins
"""
