"""Facts and reasons as officers read them.

facts     What is known of an arrival in neutral words, and what is missing
reasons   A reason
"""
