"""Reads the environment of another program of the same user."""
attempt(lambda: say_seen(open(f"/proc/{places['bystander']}/environ", "rb").read()))
