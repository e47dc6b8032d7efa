"""Secrets: where they come from, where they are kept, and what keeps them out of every text."""
