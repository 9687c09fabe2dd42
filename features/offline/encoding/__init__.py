"""The encoder of :mod:`features.catalogue.encoder` for a whole history, column by column.

crossing_columns  Entities and facts of all crossings
declared_columns  Entities and facts of what was declared for them
distinct_texts    Functions of texts, computed once for each distinct combination
wall_clocks       Times of arrival by the clocks of the posts
"""
