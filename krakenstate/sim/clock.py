"""The simulator's clock: the real one, moved by an offset."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def real_now() -> datetime:
    """The real instant, in UTC."""
    return datetime.now(UTC)


class SimClock:
    """Ticks like the real clock, `offset_s` seconds away from it.

    Args:
        offset_s: Distance from the real clock; positive is the future.
        real: Where real time comes from; tests bring their own.
    """

    def __init__(self, offset_s: float = 0.0, real: Callable[[], datetime] = real_now) -> None:
        self.offset_s = offset_s
        self._real = real

    def now(self) -> datetime:
        """The simulated instant, in UTC."""
        return self._real() + timedelta(seconds=self.offset_s)

    def set_to(self, instant: datetime) -> None:
        """Make it `instant` now; the clock goes on from there.

        Raises:
            ValueError: `instant` has no time zone.
        """
        if instant.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        self.offset_s = (instant - self._real()).total_seconds()

    def advance(self, seconds: float) -> None:
        """Move forward, or back if negative."""
        self.offset_s += seconds


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 date or instant; without a time zone it is UTC.

    Raises:
        ValueError: `text` is neither.
    """
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
