"""Takes back rights that it gave up: root's capabilities, and groups."""
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
attempt(lambda: call("capset", header, (ctypes.c_uint32 * 6)(2**32 - 1, 2**32 - 1, 0, 2**8 - 1, 2**8 - 1, 0)))
attempt(lambda: call("setgroups", 0, None))
