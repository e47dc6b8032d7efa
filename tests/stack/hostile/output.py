"""Prints without end, past Python."""
while True:
    os.write(1, b"x" * 65536)
