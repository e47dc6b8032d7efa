"""Leaves a process behind that closes all it inherited and waits."""
try:
    made = call("fork")
except OSError:
    verdict("harmless")
else:
    if made == 0:
        os.closerange(0, 64)
        libc.sleep(20)
        libc._exit(0)
    gone_by_the_end(made)
