"""Journal pages, verification, and the integrity report.

draw_audit         A post's shifts, what each committed to, and its numbers drawn again once the
                   seed is revealed
home_check         A whole home checked
home_rebuild       Every table of a home made again from its journal, in one transaction
home_verification  The whole check of a home
integrity_page     A post's integrity report and its draws, for whoever looks after officers and
                   lot
integrity_report   What a post's integrity officer is to look at
integrity_schemas  What the integrity report answers
journal_audit      What an integrity officer reads of the journal, and what is recorded of that
                   reading
journal_page       The journal for whoever audits it
routes             The journal as an auditor reads it, and the draws of its shifts
schemas            What the journal and its draws answer to whoever audits them
"""
