"""Reads the environment that the kernel keeps of its own process."""
found = b""
try:
    found = open("/proc/self/environ", "rb").read()
except PermissionError:
    pass
say_seen([*os.environ.items(), found])
harmless = not [b for b in found.split(b"\0") if b and b.split(b"=")[0] not in (b"LANG", b"LC_ALL", b"PYTHONHASHSEED", b"LD_LIBRARY_PATH")]
verdict("harmless" if harmless and {*os.environ} == {"PYDANTIC_DISABLE_PLUGINS"} else "done")
