"""Kraken Spot."""
