"""Cases over HTTP: what follows a find, from its opening to its end.

answers          Cases as one caller sees them, and the events that receivers are told of
dossier          A case as a dossier: in words, and what to check them by
dossier_parts    Parts of a dossier in words, as they are written into a document
dossier_pdf      Dossier as a PDF file
event_forms      Forms of a case: what each kind of event asks for, and how it is read
page             Pages of cases: a list, one case, its forms, and the form that adds a file
pdf_pages        Pages of a PDF document of ours: font, headings, facts, warnings, a foot
routes           Cases, their files and dossiers over HTTP
seizure_reports  Page of old seizure reports: what a text is read as, confirmed by a person
steps            Openings, events and files of one caller, each recorded once
"""
