"""Trading bots: clients that others wrote, which call the simulated Kraken while krakenstate goes about.

Each is unmodified but for its base URL, holds a key of its own and calls twenty times a second. Whatever
Kraken answers except success is kept as an error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import krakenex
from kraken.futures import User as FuturesUser
from kraken.spot import User as SpotUser

PAUSE_S = 1 / 20
LEAST_PAUSE_S = 0.01
"""Also a bot that is late leaves it: two calls within one millisecond would carry the same nonce."""
HAS_CCXT = importlib.util.find_spec("ccxt") is not None
"""Its libraries lack wheels for some versions of Python."""

Call = Callable[[], None]
Connect = Callable[[str, str, str], contextlib.AbstractContextManager[Call]]


class Bot:
    """One process's program: calls until it is stopped, and keeps count of calls and errors."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.calls = 0
        self.errors: list[str] = []

    def start(self) -> None:
        """From now on it calls."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the call under way."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            self.calls += 1
            try:
                self._call()
            except Exception as error:  # noqa: BLE001 - whatever it is, the bot saw it
                self.errors.append(f"call {self.calls}: {error!r}")
            now = time.monotonic()
            due = max(due + PAUSE_S, now + LEAST_PAUSE_S)
            self._stop.wait(due - now)


def _expect(answer: Any, **wanted: Any) -> None:
    """Clients that hand out Kraken's answer as it is leave it to the bot to look at it."""
    if {name: answer.get(name) for name in wanted} != wanted:
        raise RuntimeError(str(answer))


@contextmanager
def krakenex_spot(url: str, api_key: str, api_secret: str) -> Iterator[Call]:
    """krakenex asks for its balance; nonces in milliseconds."""
    client = krakenex.API(api_key, api_secret)
    client.uri = url
    try:
        yield lambda: _expect(client.query_private("Balance"), error=[], result={})
    finally:
        client.close()


@contextmanager
def sdk_spot(url: str, api_key: str, api_secret: str) -> Iterator[Call]:
    """python-kraken-sdk asks for its balance; nonces in ticks of ten nanoseconds."""
    client = SpotUser(api_key, api_secret, url=url)
    yield lambda: _expect({"balance": client.get_account_balance()}, balance={})


@contextmanager
def sdk_derivatives(url: str, api_key: str, api_secret: str) -> Iterator[Call]:
    """python-kraken-sdk lists subaccounts; a nonce in ticks of ten nanoseconds goes along."""
    client = FuturesUser(api_key, api_secret, url=url)
    yield lambda: _expect(client.get_subaccounts(), result="success")


@contextmanager
def ccxt_spot(url: str, api_key: str, api_secret: str) -> Iterator[Call]:
    """ccxt asks for its balance; nonces in milliseconds."""
    with _ccxt("kraken", "https://api.kraken.com", url, api_key, api_secret) as client:
        yield lambda: _expect(client.privatePostBalance(), error=[], result={})


@contextmanager
def ccxt_derivatives(url: str, api_key: str, api_secret: str) -> Iterator[Call]:
    """ccxt lists subaccounts, without a nonce."""
    with _ccxt("krakenfutures", "https://futures.kraken.com", url, api_key, api_secret) as client:
        yield lambda: _expect(client.request("subaccounts", "private", "GET"), result="success")


@contextmanager
def _ccxt(kind: str, origin: str, url: str, api_key: str, api_secret: str) -> Iterator[Any]:
    import ccxt  # noqa: PLC0415 - where it can be installed

    client = getattr(ccxt, kind)({"apiKey": api_key, "secret": api_secret, "enableRateLimit": False})
    client.urls["api"] = {name: address.replace(origin, url) for name, address in client.urls["api"].items()}
    try:
        yield client
    finally:
        client.session.close()


SPOT: dict[str, tuple[Connect, str]] = {
    "krakenex": (krakenex_spot, "MILLISECONDS"),
    "sdk": (sdk_spot, "TEN_NANOSECONDS"),
} | ({"ccxt": (ccxt_spot, "MILLISECONDS")} if HAS_CCXT else {})
"""By the name of the process: how it connects to Spot, and its nonce unit as a stack declares it."""

DERIVATIVES: dict[str, Connect] = {"sdk-futures": sdk_derivatives} | (
    {"ccxt-futures": ccxt_derivatives} if HAS_CCXT else {}
)
"""The same for Derivatives."""


@contextmanager
def trading(url: str, keys: dict[str, tuple[str, str]]) -> Iterator[dict[str, Bot]]:
    """A bot for each key, by process: they call for the block's duration and are stopped with it.

    Args:
        url: Kraken's.
        keys: Both halves, by the name of a process in ``SPOT`` or ``DERIVATIVES``.
    """
    connects = {name: connect for name, (connect, _) in SPOT.items()} | DERIVATIVES
    with ExitStack() as opened:
        bots = {
            name: Bot(opened.enter_context(connects[name](url, *halves))) for name, halves in keys.items()
        }
        for bot in bots.values():
            opened.callback(bot.stop)
            bot.start()
        yield bots
