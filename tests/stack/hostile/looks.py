"""Looks whether a file outside exists, and how large it is."""
attempt(lambda: os.stat("/etc/passwd").st_size)
