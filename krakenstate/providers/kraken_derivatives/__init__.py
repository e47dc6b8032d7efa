"""Kraken Derivatives."""
