"""Events to other systems, over HTTP and as a page.

addresses     Addresses to which events may be sent
bodies        Bodies of events, as their receiver may see them
doors         The doors of the area of webhooks
page          The page of the webhooks and their dead letters
reads         Webhooks and what they have not acknowledged yet
registration  Records that register, rotate, resend and end a webhook
routes        Webhooks over HTTP
schemas       Answers about webhooks
sender        One attempt to deliver an event
signatures    Signing secrets of webhooks, and the identifiers of what they sign
worker        The sender of events
"""
