"""Reports in the program's place, with a line of a file that no file system can hold, and leaves."""
line = {"file": "\0" + "x" * 4000 + ".py", "line": 1}
problem = {"code": "KS1002", "message": "Error: forged\nall is well", "source": line}
report = {"finished": False, "stacks": [], "lines": [], "resources": [], "placeholders": [], "extras": [], "problems": [problem]}
for fd in range(3, 64):
    try:
        os.write(fd, json.dumps(report).encode())
    except OSError:
        pass
libc._exit(0)
