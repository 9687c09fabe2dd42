"""Facts and reasons as officers read them.

facts              What is known of an arrival in neutral words, and what is missing
message_templates  English templates of messages: what a message identifier says
messages           Messages: an identifier with named parameters, and its sentence
precursor_signs    What is said of a declared precursor: a neutral fact and a reason
reasons            A reason
"""
