"""Raises its own limits."""
for number in (0, 1, 6, 9):
    attempt(lambda: call("setrlimit", number, (ctypes.c_uint64 * 2)(2**62, 2**62)))
