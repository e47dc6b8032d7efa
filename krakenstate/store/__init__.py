"""State, lock, journal and what observing owes: the ports (``base``) and their keeping in Vault."""
