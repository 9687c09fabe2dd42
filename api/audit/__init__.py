"""Journal, draws, and the verification of a home.

answers            Journal records, the recorded check of the journal, and draws repeated
erasure            Erasure by two people, and the export of what is held on a subject
home_check         Check of a whole home, and its tables made again from its journal: for commands
home_verification  Comparison of the tables with a replay of the journal; check of its end
load_withdrawal    Withdrawal of a load by two people
proposals          What two people decide about recorded data
routes             The journal and its draws, over HTTP and as pages
"""
