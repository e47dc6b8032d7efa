"""SIGINT and SIGTERM while servers are being started: neither may leave one behind that nobody knows."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def termination_as_exception() -> Iterator[None]:
    """Let SIGTERM unwind the block like an exception, as SIGINT does, so that `finally` gets its turn."""

    def leave(signum: int, _frame: object) -> None:
        raise SystemExit(128 + signum)

    if not _is_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep both signals until the block is left: a process is started and written down, or neither."""
    held: list[int] = []
    if not _is_main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(signum, lambda number, _frame: held.append(number)) for signum in signals]
    try:
        yield
    finally:
        for signum, handler in zip(signals, before, strict=True):
            signal.signal(signum, handler)
        for number in held:
            signal.raise_signal(number)


def _is_main_thread() -> bool:
    """Only the main thread receives signals and may say what happens on them."""
    return threading.current_thread() is threading.main_thread()
