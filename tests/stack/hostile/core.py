"""Ends with a signal that leaves a core file where cores are allowed."""
libc.abort()
