"""Changes the limits of the program that renders it."""
attempt(lambda: call("prlimit", os.getppid(), 4, None, (ctypes.c_uint64 * 2)()))
