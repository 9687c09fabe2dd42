"""Requests between partners, over HTTP and as a page: attentions and offers of cases.

answers  Requests of either side, as answers for one caller
page     The page of the requests, with its forms
routes   Requests over HTTP
steps    Requests, answers and withdrawals of one caller, each recorded once
"""
