"""Training of officers: a home of its own, exercises, picks, debriefings, certificates.

app              Application of a training home: its own service, which says that it is training
certificate_pdf  Certificate of a course as a PDF file, in the reader's language
certificates     Certificates of a course: what a trainee did, and a digest to check the paper by
desk             Exercises of a training home: blind picks, their end, debriefings
doors            The doors of the area of exercises, which have a service and a home of their own
maker            Training homes made from a synthetic network that the engine decided on
pages            Pages of a training home: exercises, picks, debriefings, figures, certificates
runtime          Service of one training home, put together
store            Training homes, opened
"""
