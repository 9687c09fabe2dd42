"""The append-only, hash-chained journal, its receipts and its writers."""
