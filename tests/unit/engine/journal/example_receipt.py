"""One receipt for tests that need any."""

from engine.journal.receipts import Receipt

RECEIPT = Receipt("j", 1, "00", "00", "00", "k")
