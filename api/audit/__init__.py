"""Journal, draws, and the verification of a home.

erased_rows        Rows that an erasure takes from each table
erasure            Erasure by two people, and the export of what is held on a subject
home_check         Check of a whole home, for commands
home_rebuild       Tables of a home derived again from its journal, in one transaction
home_verification  Comparison of the tables with a replay of the journal
journal_check      Check of the end of a journal, the work of a worker process
page               Pages of the audit: journal records and draws
reads              Journal records, the recorded check of the journal, and draws repeated
routes             The journal and its draws over HTTP
schemas            Answers about the journal and its draws
withdrawal         Withdrawal of a load by two people
"""
