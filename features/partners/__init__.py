"""Records that two administrations share through the messages of their link.

linked_history  History of one administration, alone or with what its partners' messages brought
message_replay  Replay of the messages that two administrations would have sent
movements       Records as messages to a partner and back, and which arrival continues a movement
"""
