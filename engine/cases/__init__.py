"""Cases: what follows a find, from its opening to its end.

area              The area of cases: what follows a find, from its opening to its end
case_events       Events of a case, as they are reported, and its opening
case_ledger       Open and closed cases as a table, and the records that make them
case_progress     Duties of a case, who acts next, and whether it has stood for too long
case_reading      A case as its records tell it: its state, its events, what it is about
case_state        State of a case: a pure function of its opening and its events
file_check        Check of the files of cases on the disk against the records that name them
file_store        Files of cases in a home, each named by the SHA-256 of its content
file_types        Types of files that a case takes, recognised by their content
name_signs        Signs that a free text names a person
pdf_inspection    Look into a PDF file for what acts or cannot be looked into
photographs       Photographs in JPEG for a document, without what a camera wrote into them
travelling_files  Files that travel over links: which may, which are awaited, parts that arrive
"""
