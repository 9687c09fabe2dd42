"""Records that two administrations share through the messages of their link.

administrations     History of one administration: its posts, its records, nothing else
linked_history      History of an administration with what its partners' messages brought
message_channel     One direction of a link: messages through agreement, envelope and checks
movements           Movement of a manifest that an arrival continues
partner_exchange    Exchange of two administrations, played in the order in which each came to know
                    its records
partner_records     Records as messages to a partner, and its messages as records
standard_agreement  The agreement that two administrations are taken to have where they state none
"""
