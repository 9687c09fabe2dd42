"""Exercises of officers: a home of its own, picks, debriefings, certificates.

certificate_pdf  Certificate of a course as a PDF file, in the reader's language
certificates     Certificates of a course, and a signed digest to check the paper by
desk             Training homes, opened: blind picks, the end of an exercise, debriefings
maker            Training homes made from a synthetic network
pages            Pages of a training home: exercises, picks, debriefings, figures
runtime          The running training service
service          Service of one training home, and its application
"""
