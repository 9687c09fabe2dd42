"""People and keys, kept by administrators over HTTP and on pages.

invitation_page  The page on which an invitation is redeemed
invitations      Redemption of an invitation: the secret that two administrators granted
page             The page of people and keys
proposals        Steps of administrators: propose, approve, withdraw, remove
reads            People, keys and proposals, as an administrator may see them
routes           People and keys over HTTP
schemas          Answers about people and keys
"""
