"""Nouns: what is declared, observed, recorded and planned. Plain data, no input or output."""
