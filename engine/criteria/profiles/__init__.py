"""Risk profiles: their language, its checker, and the matcher.

checker        Whether an expression fits the records and features, what it costs at most, and
               what it means
checker_rules  What is asked of a text, a list or the goods in an expression
fields         Which fields a profile may ask for, and how their values are handed to it
matcher        Which profiles in force fit an arrival, and what the shadows would have matched
parser         What was written
profile        What a profile is, who may propose one, and where each stands
program        Expressions ready to run
"""
