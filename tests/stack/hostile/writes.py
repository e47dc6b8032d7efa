"""Opens files for writing: in the clone, in the project, in site-packages, in the home, in /tmp."""
for name in ("clone", "site", "project", "home", "tmp"):
    for flags in (os.O_WRONLY | os.O_APPEND, os.O_RDWR):
        attempt(lambda: call("open", os.fsencode(places[name]), flags))
attempt(lambda: call("open", os.fsencode(places["home"] + ".new"), os.O_CREAT | os.O_RDONLY, 0o600))
attempt(lambda: call("open", os.fsencode(places["home"]), os.O_TRUNC))
