"""Requests between partners, over HTTP and as a page: attentions and offers of cases.

bodies   Bodies of requests, answers and withdrawals
page     The page of the requests, with its forms
reads    Requests of either side, for one caller
routes   Requests over HTTP
schemas  Answers about requests
steps    Requests and answers of one caller, each recorded once
"""
