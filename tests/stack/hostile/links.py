"""Follows links that the project holds: to a file, to a folder, and up by dots."""
attempt(lambda: say_seen(open("link-to-file").read()))
attempt(lambda: say_seen(os.listdir("link-to-folder")))
attempt(lambda: say_seen(open("stacks/../../neighbour/secret").read()))
attempt(lambda: say_seen(open(os.path.join("/proc/self", "root", "etc/passwd")).read()))
