"""Facts and reasons as officers read them.

facts              Facts of an arrival in neutral words, and its data gaps
message_templates  English templates of messages: what a message identifier says
messages           Messages: an identifier with named parameters, and its sentence
reasons            Reasons for and against a crossing, and statements on a declared precursor
"""
