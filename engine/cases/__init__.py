"""Cases: what follows a find, from its opening to its end.

area          The area of cases: what follows a find, from its opening to its end
case_events   Events of a case, its opening, and signs that a free text names a person
case_ledger   Open and closed cases as a table, and the records that make them
case_state    State of a case as a pure function of its records, its duties and next steps
file_content  Content of files: types, what acts in a PDF, what a camera wrote into a picture
files         Files of cases in a home: stored, checked, swept, and sent over links
"""
