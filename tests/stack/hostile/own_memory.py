"""Writes to its own memory from outside, and makes a program of a file that lies in memory alone."""
attempt(lambda: call("open", b"/proc/self/mem", os.O_RDWR))
attempt(lambda: call("memfd_create", b"x", 0))
attempt(lambda: call("syscall", {"x86_64": 322, "aarch64": 281}[os.uname().machine], 1, b"", None, None, 0x1000))
