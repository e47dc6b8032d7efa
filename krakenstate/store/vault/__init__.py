"""State, lock, journal and ledger in a key-value store."""
