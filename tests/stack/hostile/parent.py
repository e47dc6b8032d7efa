"""Reads the environment and the memory of the program that renders it."""
above = f"/proc/{os.getppid()}"
attempt(lambda: say_seen(open(f"{above}/environ", "rb").read()))
attempt(lambda: say_seen(open(f"{above}/mem", "rb", buffering=0).read(1)))
attempt(lambda: say_seen(os.readlink(f"{above}/cwd")))
attempt(lambda: call("ptrace", 16, os.getppid(), 0, 0))
vector = (ctypes.c_void_p * 2)(id(above), 8)
attempt(lambda: call("process_vm_readv", os.getppid(), vector, 1, vector, 1, 0))
