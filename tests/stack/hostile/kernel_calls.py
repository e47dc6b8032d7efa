"""Calls parts of the kernel where isolation was broken before, by number and past Python."""
NUMBERS = {
    "x86_64": (272, 308, 165, 161, 248, 249, 250, 321, 298, 323, 425, 319, 304, 310, 435, 434, 253, 155),
    "aarch64": (97, 268, 40, 51, 217, 218, 219, 280, 241, 282, 425, 279, 265, 270, 435, 434, 26, 41),
}
for number in NUMBERS[os.uname().machine]:
    attempt(lambda: call("syscall", number, 0, 0, 0, 0, 0, 0))
attempt(lambda: call("memfd_create", b"x", 0))
attempt(lambda: call("inotify_init1", 0))
