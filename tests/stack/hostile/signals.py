"""Sends signals to the program that renders it, or has them sent."""
attempt(lambda: call("kill", os.getppid(), 0))
attempt(lambda: call("kill", -1, 0))
attempt(lambda: call("sigqueue", os.getppid(), 0, None))
ends = os.pipe()
attempt(lambda: call("fcntl", ends[0], 8, os.getppid()))
