"""Quality of the data over HTTP and as a page, as ``darvoza quality --keep`` last assessed it.

page     The page of the last assessment
reads    The last assessment, of the posts that a caller reaches
routes   Quality of the data over HTTP
schemas  Answers about the quality of the data
"""
