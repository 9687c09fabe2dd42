"""Old reports of seizures, in text or PDF, as proposed seizures that a person confirms.

The words of the lexicon stand in ``lexicon.toml``, in English, Russian, Uzbek and Tajik.

dates               Dates of a report, and which of them is that of the seizure
extraction          Proposed seizures of a report, each value with the passage it came from
folded_text         Text folded so that spellings of one word are equal, and the terms found in it
lexicon             Words by which reports name substances, places, methods and vehicles
numbers             Numbers of a report, in digits by the marks of its language or in words
plates              Registration plates in the text of a report
posts               The post that a report names, by the names of the network file
quantities          Masses of a report, and which of them is that of the substance
tables              Rows of tables in a report: which cell states the mass of a substance
report_files        Text of a folder's reports, from text files and PDF files
"""
