"""Requests between partners: attentions and offers of cases, from their envelopes to their end.

arrival_effects  Effects of requests and withdrawals that arrive
facts            Steps of requests as a table made from the envelopes, and requests read from them
notices          Accepted attentions on the watch list
request_desk     Requests and steps of this side, each sent with the person who took it
transitions      Steps of requests as one table
"""
