"""Cases over HTTP: what follows a find, from its opening to its end.

doors             The doors of the area of cases
dossier           A case as a dossier: in words, and what to check them by
dossier_parts     Parts of a dossier in words, as they are written into a document
dossier_pdf       Dossier as a PDF file
event_forms       Forms of a case: what each kind of event asks for, and how it is read
file_page         Form of a case's page that adds a file, and its refusals in the reader's words
file_routes       Files and dossiers of cases over HTTP: taken as they arrive, handed out sealed
files             Files of cases: each placed in the home before its record stands
linked_pages      Addresses of what a case is about, as far as its reader may open them
multipart_upload  Form with a file, read as it arrives: its fields, then the content
page              Pages of cases: a list, one case, and its forms
pdf_pages         Pages of a PDF document of ours: font, headings, facts, warnings, a foot
reads             Cases as one caller sees them, as JSON values
report_page       Old reports of seizures: what a text is read as, and its confirmation by a person
routes            Cases over HTTP
schemas           Answers about cases
steps             Openings and events of one caller, each recorded once
"""
