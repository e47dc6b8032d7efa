"""Looks whether a file outside exists, how large it is, and where a link leads."""
attempt(lambda: os.stat("/etc/passwd").st_size)
attempt(lambda: os.readlink("link-to-file"))
