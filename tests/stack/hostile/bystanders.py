"""Reads the environment of another program of the same user, and what it holds open."""
attempt(lambda: say_seen(open(f"/proc/{places['bystander']}/environ", "rb").read()))
attempt(lambda: say_seen(os.readlink(f"/proc/{places['bystander']}/fd/0")))
