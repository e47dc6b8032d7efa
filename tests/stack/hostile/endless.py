"""Does not end, and is deaf to the alarm."""
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True:
    pass
