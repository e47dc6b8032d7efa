"""Reads what is hidden at the top of its own project, where checkouts and people leave tokens."""
attempt(lambda: say_seen(open(".git/config").read()))
attempt(lambda: say_seen(open(".env").read()))
