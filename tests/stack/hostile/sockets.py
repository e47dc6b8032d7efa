"""Opens sockets of each family: Unix, IPv4, IPv6, netlink, packet, vsock, algorithms."""
for family, kind in ((1, 1), (2, 1), (2, 2), (10, 1), (10, 2), (16, 3), (17, 3), (40, 1), (38, 5)):
    attempt(lambda: call("socket", family, kind, 0))
attempt(lambda: call("socketpair", 1, 1, 0, (ctypes.c_int * 2)()))
