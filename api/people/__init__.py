"""People and keys, kept by administrators over HTTP and on pages.

answers  People, keys and proposals, as an administrator may see them
page     The page of people and keys, and the page on which an invitation is redeemed
routes   People and keys over HTTP
steps    People, keys, the table of agencies: what administrators decide; redeemed invitations
"""
