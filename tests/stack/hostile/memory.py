"""Takes more memory than it may have."""
hoard = bytearray(2**34)
