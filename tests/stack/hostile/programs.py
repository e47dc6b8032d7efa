"""Reads with which arguments other programs were started."""
attempt(lambda: say_seen(open(f"/proc/{places['bystander']}/cmdline", "rb").read()))
attempt(lambda: say_seen(open("/proc/1/cmdline", "rb").read()))
