"""Old reports of seizures, in text or PDF, as proposed seizures that a person confirms.

The words of the lexicon stand in ``lexicon.toml``, in English, Russian, Uzbek and Tajik.

dates         Dates of a report, and which of them is that of the seizure
extraction    Proposed seizures of a report, each value with the passage it came from
folded_text   Text folded so that spellings of one word are equal, and the words of the lexicon
quantities    Numbers and masses of a report, and which of them is that of the substance
report_files  Text of a folder's seizure reports, from text files and PDF files
"""
