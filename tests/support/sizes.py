"""The sizes of tests: small ones for each change, the sizes of the claims for ``make proof``."""

import os

PROOF = bool(os.environ.get("DARVOZA_PROOF"))
