"""Where to look first in a vehicle that is inspected.

equipment     Equipment that works at a post, and the method by which each place is searched with it
priors        Where loads may be in a conveyance, before anybody has learnt anything
search_order  Where to look first in a vehicle sent to physical inspection, learnt from every
              place searched
"""
