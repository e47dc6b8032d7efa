"""Becomes another program."""
attempt(lambda: call("execv", b"/bin/echo", (ctypes.c_char_p * 4)(b"echo", b"verdict", b"done")))
