"""What a key may do, from where and until when: the part of it that is compared."""

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Annotated

from pydantic import PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import from_json, to_json

from krakenstate.model.base import Instant, Model
from krakenstate.model.declarations import DerivativesKey, Key, SpotKey
from krakenstate.model.network import IPNetwork, Network
from krakenstate.model.vocabulary import Access, Api, NonceUnit, Permission


class KeyTerms(Model):
    """A key as declared and approved. ``None`` means that the attribute is not managed."""

    api: Api
    permissions: tuple[str, ...] | None = None
    general: Access | None = None
    transfer: Access | None = None
    networks: tuple[Network, ...] | None = None
    expires: date | None = None
    query_from: date | None = None
    query_to: date | None = None
    nonce_window: int | None = None
    nonce_unit: NonceUnit | None = None
    controls: str | None = None

    @classmethod
    def of(cls, key: Key) -> "KeyTerms":
        """The terms of a declaration, whose parts were checked when it was made."""
        controls = str(key.controls.address) if key.controls else None
        if isinstance(key, SpotKey):
            return _spot(key.networks, controls, *_SPOT_PARTS(vars(key)))
        assert isinstance(key, DerivativesKey)  # noqa: S101 - the two types of key there are
        return _derivatives(key.general, key.transfer, key.networks, controls)


_SPOT_PARTS = itemgetter("permissions", "expires", "query_from", "query_to", "nonce_window", "nonce_unit")
"""Out of the fields of a ``SpotKey`` at once: one by one, from a model, each takes as long as all of them."""


# Most keys of a desk are made alike, and making a model takes 20 us.
@lru_cache(4096)
def _spot(  # noqa: PLR0917 - known again by names would take twice the time
    networks: tuple[IPNetwork, ...] | None,
    controls: str | None,
    permissions: frozenset[Permission] | None,
    expires: date | None,
    query_from: date | None,
    query_to: date | None,
    nonce_window: int | None,
    nonce_unit: NonceUnit | None,
) -> KeyTerms:
    return shared(
        KeyTerms.model_construct(
            api=Api.SPOT,
            permissions=None if permissions is None else tuple(sorted(p.value for p in permissions)),
            networks=networks,
            expires=expires,
            query_from=query_from,
            query_to=query_to,
            nonce_window=nonce_window,
            nonce_unit=nonce_unit,
            controls=controls,
        )
    )


@lru_cache(4096)
def _derivatives(
    general: Access | None,
    transfer: Access | None,
    networks: tuple[IPNetwork, ...] | None,
    controls: str | None,
) -> KeyTerms:
    return shared(
        KeyTerms.model_construct(
            api=Api.DERIVATIVES, general=general, transfer=transfer, networks=networks, controls=controls
        )
    )


@lru_cache(4096)
def shared(terms: KeyTerms) -> KeyTerms:
    """The one that stands for all that are equal to it: of 10,000 keys made alike, terms take 13 MiB."""
    return terms


def _read_once(value: object, handler: ValidatorFunctionWrapHandler) -> KeyTerms:
    if isinstance(value, dict):
        with suppress(ValueError):  # said below, field by field
            return _read(to_json(value))
    return shared(handler(value))


@lru_cache(4096)  # terms are read in 8 us, and known again by their text in one
def _read(text: bytes) -> KeyTerms:
    return shared(KeyTerms.model_validate(from_json(text)))


SharedTerms = Annotated[KeyTerms, WrapValidator(_read_once)]
"""Terms of which keys made alike hold the same."""


Nonce = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]
"""Up to 64 bits; in JSON text, since its readers agree on 53."""


class KeyDescription(Model):
    """What a key says of itself. ``None`` where its platform does not tell.

    Sources: ``GetApiKeyInfo`` and ``api-keys/v3/check`` (docs.kraken.com, read in August 2026).
    """

    api: Api
    fingerprint: str
    last_four: str
    iiban: str | None = None
    account_uid: str | None = None
    key_name: str | None = None
    permissions: tuple[str, ...] | None = None
    general: str | None = None
    transfer: str | None = None
    networks: tuple[Network, ...] = ()
    valid_until: Instant | None = None
    query_from: Instant | None = None
    query_to: Instant | None = None
    nonce_window: int | None = None
    nonce: Nonce | None = None
    created_at: Instant | None = None
    modified_at: Instant | None = None
    last_used_at: Instant | None = None


def falls_on(instant: datetime, day: date) -> bool:
    """Whether an instant is on that day in any time zone (UTC-12 to UTC+14)."""
    start, end = _anywhere(day)
    return start <= instant < end


@lru_cache(1024)
def _anywhere(day: date) -> tuple[datetime, datetime]:
    midnight = datetime.combine(day, time(), tzinfo=UTC)
    return midnight - timedelta(hours=14), midnight + timedelta(days=1, hours=12)
