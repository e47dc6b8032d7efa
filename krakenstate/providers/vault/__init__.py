"""Vault and OpenBao."""
