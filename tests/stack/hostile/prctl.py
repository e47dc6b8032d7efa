"""Changes what the kernel does for its process: survives its parent, has a name of its own."""
attempt(lambda: call("prctl", 1, 0, 0, 0, 0))
attempt(lambda: call("prctl", 15, b"bash", 0, 0, 0))
attempt(lambda: call("prctl", 36, 1, 0, 0, 0))
