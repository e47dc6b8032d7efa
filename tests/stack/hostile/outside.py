"""Reads files outside its project: a key of the user's, the list of users, a neighbour's folder."""
for name in ("ssh", "neighbour"):
    attempt(lambda: say_seen(open(places[name]).read()))
attempt(lambda: say_seen(open("/etc/passwd").read()))
attempt(lambda: os.listdir("/"))
