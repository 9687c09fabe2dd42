"""Requests between partners, over HTTP and as a page: attentions and offers of cases."""
