"""Leaves a process behind that begins a session of its own."""
def leave():
    made = call("fork")
    if made == 0:
        os.closerange(0, 64)
        libc.setsid()
        libc.sleep(1)
        libc._exit(0)
attempt(leave)
