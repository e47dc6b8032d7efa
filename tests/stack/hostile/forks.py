"""Forks, one process after the other."""
def fork():
    made = call("fork")
    if made == 0:
        libc._exit(0)
    libc.waitpid(made, None, 0)
for _ in range(5):
    attempt(fork)
