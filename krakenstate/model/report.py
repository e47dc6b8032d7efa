"""What a key said of itself where its process runs, as it is left in Vault. Untrusted: the process wrote it.

How this works: one ``Evidence`` per key. Its ``attempt`` is written before a key is asked and again after it
answered, so that no nonce is used twice and a failed authentication is remembered; its ``report`` is the last
answer. ``Report`` is what an observation makes of it.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from krakenstate.model.address import Address
from krakenstate.model.base import Instant, Model
from krakenstate.model.identity import normalise_iiban
from krakenstate.model.network import Network
from krakenstate.model.terms import KeyDescription

NONCE_STEP = 10
"""A key in quarantine is asked from its host with 10, 20, 30 and so on, so that a run elsewhere, which counts
by ones and starts above the last one reported, has room between."""
SMALL_NONCE_MAX = 990
"""The last of them: below every client, one that counts from 1,000 included."""
_TEXT_MAX = 128
_LIST_MAX = 100
_YEARS = range(2000, 2200)
_WORDS = ("key_name", "general", "transfer", "account_uid")


def _visible(text: str) -> str:
    """Without control, direction and private characters."""
    return "".join(c for c in text if c.isprintable())


def _sane(instant: datetime) -> datetime:
    if instant.year not in _YEARS:
        raise ValueError("no instant of this century or the next")
    return instant


Text = Annotated[str, Field(max_length=_TEXT_MAX), AfterValidator(_visible)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Code = Annotated[str, Field(pattern=r"^(KS[0-9]{4})?$")]
Moment = Annotated[Instant, AfterValidator(_sane)]


def check_description(description: KeyDescription) -> KeyDescription:
    """The same description with visible characters only, if it could be a key's.

    Raises:
        ValueError: Kraken would not say such a thing.
    """
    lists = (description.permissions or (), description.networks)
    if any(len(values) > _LIST_MAX for values in lists):
        raise ValueError(f"a list of more than {_LIST_MAX}")
    words = {name: getattr(description, name) for name in _WORDS}
    texts = [text for text in words.values() if text is not None]
    if any(len(text) > _TEXT_MAX for text in (*texts, *(description.permissions or ()))):
        raise ValueError(f"a text of more than {_TEXT_MAX} characters")
    if len(description.last_four) > 4 or not 0 <= (description.nonce_window or 0) < 2**64:
        raise ValueError("a value out of its range")
    for value in description.__dict__.values():
        if isinstance(value, datetime):
            _sane(value)
    permissions = description.permissions
    return description.model_copy(
        update={
            **{name: _visible(text) for name, text in words.items() if text is not None},
            "last_four": _visible(description.last_four),
            "iiban": normalise_iiban(description.iiban) if description.iiban else None,
            "permissions": None if permissions is None else tuple(sorted(map(_visible, set(permissions)))),
        }
    )


class Attempt(Model):
    """The last time a key was asked from its host. ``code`` is that of a failed authentication.

    ``nonce`` is text, since one from the clock has up to 64 bits; empty for a key that takes none.
    """

    fingerprint: Fingerprint
    at: Moment
    nonce: Annotated[str, Field(pattern=r"^[0-9]{0,20}$")] = ""
    code: Code = ""

    @property
    def small_nonce(self) -> int:
        """The nonce if it was a small one, else 0."""
        nonce = int(self.nonce or 0)
        return nonce if nonce <= SMALL_NONCE_MAX else 0


class Answer(Model):
    """What a key said, when, and to whom. ``site`` is the allowlist that the host named, if it named one."""

    at: Moment
    who: Text
    host: Text
    site: Text | None = None
    site_networks: Annotated[tuple[Network, ...], Field(max_length=_LIST_MAX)] = ()
    krakenstate_version: Text
    description: Annotated[KeyDescription, AfterValidator(check_description)]

    @model_validator(mode="after")
    def _is_of_one_key(self) -> "Answer":
        if not all(c in "0123456789abcdef" for c in self.fingerprint) or len(self.fingerprint) != 12:
            raise ValueError("its fingerprint is none")
        return self

    @property
    def fingerprint(self) -> str:
        """Of the key that said it."""
        return self.description.fingerprint


class InUse(Model):
    """Which key a process uses, by its own word. Nothing was asked of Kraken."""

    fingerprint: Fingerprint
    at: Moment
    who: Text = ""
    host: Text = ""


class Evidence(Model):
    """Everything a host leaves of one key."""

    format_version: Literal[1] = 1
    stack: Text
    address: Address
    attempt: Attempt | None = None
    answer: Answer | None = None
    in_use: InUse | None = None


class Report(Model):
    """What an observation found at a key's evidence path. ``problem`` says why it cannot be used, if so."""

    path: str
    problem: str = ""
    attempt: Attempt | None = None
    answer: Answer | None = None
    in_use: InUse | None = None

    @property
    def failure(self) -> Attempt | None:
        """The failed authentication that came after the last answer, if one did."""
        attempt = self.attempt
        return attempt if attempt is not None and attempt.code else None
