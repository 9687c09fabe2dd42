"""Old reports of seizures, in text or PDF, as proposed seizures that a person confirms.

The words of the lexicon stand in ``lexicon.toml``, in English, Russian, Uzbek and Tajik.
"""
