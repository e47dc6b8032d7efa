"""The simulated Kraken: an ASGI application on loopback, its own lasting world, and the people around it.

An independent implementation of what Kraken publishes. It imports nothing of the program it is used to test,
its own signature check included, so that a mistake made there is not repeated here.

    python -m krakenstate.sim --dir DIR        serve the world kept in DIR

`spot` and `derivatives` answer API calls; `web` and `mail` are what people do in the web page, at support and
in their mailbox; `admin` exposes people over HTTP; `devenv` starts and ends a simulator together with a real
OpenBao server for `krakenstate dev`.
"""
