"""The composition root: the one place that knows every room and introduces them to each other.

The rooms are imported inside functions: while the stack file runs in its own processes, this one
imports them. What starts those processes is imported at the top, and needs no model.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from krakenstate import __version__
from krakenstate.cli.late import late
from krakenstate.cli.loading import load_beside_imports, unless_unstable
from krakenstate.cli.output import Output
from krakenstate.cli.pipelines import is_ci, is_pull_request
from krakenstate.cli.stats import count_calls, kraken_meter, vault_meter
from krakenstate.errors import (
    NowRefused,
    OriginRefused,
    SiteUnknown,
    StackNotExecutedInCi,
    VaultNotConfigured,
)
from krakenstate.model.traffic import Traffic, uncounted
from krakenstate.secret import redactor

if TYPE_CHECKING:
    from krakenstate.engine.audience import Audience
    from krakenstate.engine.guard import Guard
    from krakenstate.engine.session import Origins, Session
    from krakenstate.model.declarations import Allowlist, Environment
    from krakenstate.model.desired import Desired
    from krakenstate.providers.base import Greeter, Providers
    from krakenstate.providers.kraken_derivatives.provider import DerivativesProvider
    from krakenstate.providers.kraken_spot.provider import SpotProvider
    from krakenstate.providers.vault.custody import VaultCustody
    from krakenstate.providers.vault.kv import VaultClient
    from krakenstate.stack.load import LoadedStack
    from krakenstate.store.base import EvidenceStore, Ledger, LockKeeper, Records
    from krakenstate.transport.lanes import Lanes

USER_AGENT = f"krakenstate/{__version__}"


class Wired(NamedTuple):
    """A session and what it was made from.

    Without ``asks`` the stack is as its first run declared it until it is ``confirmed``: until then Vault may
    be read, and no more.
    """

    session: Session
    loaded: LoadedStack
    confirmed: Callable[[], LoadedStack]
    vault: VaultClient
    derivatives: Greeter
    who: str


def wire(
    stack: str | None,
    *,
    output: Output,
    desired: Path | None = None,
    site: str | None = None,
    environment: Mapping[str, str] | None = None,
    check_mount: bool = True,
    guard: Guard | None = None,
    stats: bool = False,
    asks: bool = True,
) -> Wired:
    """Everything one run needs, opened nowhere yet: the first call opens the first connection.

    With ``stats`` its calls are counted, and told when the command ends. Without ``check_mount`` Vault is not
    asked here: for a command that says itself what is wrong there. Without ``asks`` what speaks to Kraken is
    imported only if it is asked after all, and the stack is not ``confirmed`` yet.

    Raises:
        StackNotExecutedInCi: Under CI a rendered stack is needed.
        StackProblems: The stack is wrong.
        SiteUnknown: The site is no declared allowlist.
        OriginRefused, NowRefused, VaultNotConfigured, VaultAddressRefused: The surroundings are.
        MountMissing, MountNotVersioned: The stack's mount is.
    """
    env = os.environ if environment is None else environment
    if is_ci(env) and desired is None:
        raise StackNotExecutedInCi(
            "CI is set, and this command holds credentials. A stack file is a program that anybody who can "
            "open a pull request may have written."
        )
    traffic = count_calls(output) if stats else None
    rooms = (*_ROOMS, *_ASKING) if asks else _ROOMS
    loaded, confirmed = load_beside_imports(stack, desired, rooms, in_turn=not asks)
    if asks:
        loaded = confirmed()
    from krakenstate.cli.desk import desk_of
    from krakenstate.engine.guard import Guard
    from krakenstate.engine.session import Session
    from krakenstate.providers.vault.administration import VaultAdministration

    origins = origins_of(loaded.desired.head.environment, env)
    clock = clock_of(origins, env)
    vault = _vault_client(loaded.desired, env, traffic)
    if check_mount:
        with unless_unstable(confirmed):
            vault.check_mount()
    who = f"{_user()}@{socket.gethostname()}"
    providers, greeter = _providers(origins, traffic)
    session = Session(
        desired=loaded.desired,
        origins=origins,
        providers=providers._replace(administrator=VaultAdministration(vault)),
        custody=late(lambda: _custody(vault, loaded.desired, clock)),
        records=_records(vault, loaded.desired, clock, who, env, output.progress),
        site=_site(loaded.desired, site),
        clock=clock,
        version=__version__,
        lanes=late(lambda: _lanes(clock, traffic)),
        audience=_audience(output),
        on_pull_request=is_pull_request(env),
        guard=(guard or Guard())._replace(
            desk=desk_of(loaded, from_file=desired is not None, credentials=True)
        ),
    )
    return Wired(
        session=session, loaded=loaded, confirmed=confirmed, vault=vault, derivatives=greeter, who=who
    )


def wire_alone(env: Mapping[str, str]) -> tuple[Providers, Callable[[], datetime]]:
    """Kraken and a clock, for a command without stack and Vault: production, or its overrides.

    Raises:
        OriginRefused, NowRefused: The surroundings are wrong.
    """
    from krakenstate.model.declarations import Environment

    import_module(_SPEAKER)  # now, so that the first call's time is the network's alone
    origins = origins_of(Environment.production(), env)
    providers, _ = _providers(origins)
    return providers, clock_of(origins, env)


_ROOMS = (
    "krakenstate.stack.load",
    "krakenstate.engine.reading",
    "krakenstate.providers.vault.kv",
    "krakenstate.store.vault.state",
)
_SPEAKER = "krakenstate.transport.connections"
_ASKING = (
    "krakenstate.providers.vault.custody",
    "krakenstate.store.vault.evidence",
    "krakenstate.store.vault.ledger",
    "krakenstate.engine.observe",
    "krakenstate.providers.kraken_derivatives.provider",
    "krakenstate.providers.kraken_spot.provider",
    "krakenstate.transport.lanes",
    _SPEAKER,
)


def origins_of(environment: Environment, env: Mapping[str, str]) -> Origins:
    """The environment's servers; the production ones can be overridden for simulators.

    Raises:
        OriginRefused: An override is not https or loopback.
    """

    from krakenstate.engine.session import Origins
    from krakenstate.model.declarations import origin_of

    def pick(declared: str, variable: str) -> str:
        override = env.get(variable, "").strip()
        if not override or not environment.is_production:
            return declared
        parts = urlsplit(override)
        try:
            return origin_of(f"{parts.scheme}://{parts.netloc}")
        except ValueError as wrong:
            raise OriginRefused(f"{variable} cannot be used: {wrong}.") from None

    return Origins(
        spot=pick(environment.spot_url, "KRAKENSTATE_SPOT_URL"),
        futures=pick(environment.futures_url, "KRAKENSTATE_FUTURES_URL"),
    )


def clock_of(origins: Origins, env: Mapping[str, str]) -> Callable[[], datetime]:
    """This machine's clock, or one that starts at KRAKENSTATE_NOW in a rehearsal.

    Raises:
        NowRefused: It is set while an origin is not loopback, or is no instant with a time zone.
    """
    from krakenstate.model.declarations import is_loopback

    text = env.get("KRAKENSTATE_NOW", "").strip()
    if not text:
        return lambda: datetime.now(UTC)
    for origin in (origins.spot, origins.futures):
        if not is_loopback(urlsplit(origin).hostname or ""):
            raise NowRefused(f"KRAKENSTATE_NOW is set, and {origin} is not loopback.")
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise NowRefused("KRAKENSTATE_NOW is no instant with a time zone, like 2026-11-02T09:00:00Z.")
    base, began = start.astimezone(UTC), time.monotonic()

    def ticking() -> datetime:
        return datetime.fromtimestamp(base.timestamp() + time.monotonic() - began, UTC)

    return ticking


def _providers(origins: Origins, traffic: Traffic | None = None) -> tuple[Providers, Greeter]:
    from krakenstate.model.vocabulary import Api
    from krakenstate.providers.base import Providers
    from krakenstate.providers.kraken_derivatives.verbs import VERBS as DERIVATIVES_VERBS
    from krakenstate.providers.kraken_spot.verbs import VERBS as SPOT_VERBS
    from krakenstate.providers.vault.provider import VaultGrants
    from krakenstate.providers.vault.verbs import VERBS as VAULT_VERBS

    meter = kraken_meter(traffic) if traffic else uncounted

    def make_spot() -> SpotProvider:
        from krakenstate.providers.kraken_spot.provider import SpotProvider
        from krakenstate.transport.client import HttpOrigin

        return SpotProvider(HttpOrigin(origins.spot, user_agent=USER_AGENT, meter=meter))

    def make_derivatives() -> DerivativesProvider:
        from krakenstate.providers.kraken_derivatives.provider import DerivativesProvider
        from krakenstate.transport.client import HttpOrigin

        return DerivativesProvider(HttpOrigin(origins.futures, user_agent=USER_AGENT, meter=meter))

    spot, derivatives = late(make_spot), late(make_derivatives)
    providers = Providers(
        clock=spot,
        keys={Api.SPOT: spot, Api.DERIVATIVES: derivatives},
        subaccounts=spot,
        links=derivatives,
        grants=VaultGrants(),
        verbs={**SPOT_VERBS, **DERIVATIVES_VERBS, **VAULT_VERBS},
    )
    return providers, derivatives


def _audience(output: Output) -> Audience:
    if output.events:
        from krakenstate.cli.event_stream import EventStream

        return EventStream(output)
    from krakenstate.cli.progress import Progress

    return Progress(output)


def _lanes(clock: Callable[[], datetime], traffic: Traffic | None) -> Lanes:
    from krakenstate.model.vocabulary import Api
    from krakenstate.providers.kraken_derivatives.provider import TARIFF as DERIVATIVES_TARIFF
    from krakenstate.providers.kraken_spot.provider import TARIFF as SPOT_TARIFF
    from krakenstate.transport.lanes import Lanes

    def counted_sleep(seconds: float) -> None:
        with traffic.waiting("budget") if traffic else nullcontext():
            time.sleep(seconds)

    tariffs = {Api.SPOT: SPOT_TARIFF, Api.DERIVATIVES: DERIVATIVES_TARIFF}
    return Lanes(tariffs, clock=clock, sleep=counted_sleep)


def _vault_client(desired: Desired, env: Mapping[str, str], traffic: Traffic | None) -> VaultClient:
    from pydantic import SecretStr

    from krakenstate.providers.vault.kv import VaultClient

    missing = [name for name in ("VAULT_ADDR", "VAULT_TOKEN") if not env.get(name, "").strip()]
    if missing:
        raise VaultNotConfigured(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set, and the stack's state "
            "and secrets live in Vault."
        )
    token = SecretStr(env["VAULT_TOKEN"].strip())
    redactor.register(token)
    return VaultClient(
        env["VAULT_ADDR"],
        token,
        desired.head.vault.mount,
        namespace=env.get("VAULT_NAMESPACE") or None,
        cacert=env.get("VAULT_CACERT") or None,
        meter=vault_meter(traffic, desired.head) if traffic else uncounted,
    )


def _custody(vault: VaultClient, desired: Desired, clock: Callable[[], datetime]) -> VaultCustody:
    from krakenstate.providers.vault.custody import VaultCustody

    paths = desired.head.vault
    return VaultCustody(
        vault,
        mount=paths.mount,
        secrets=paths.secrets,
        state=paths.state,
        stack=desired.head.name,
        environment=desired.head.environment.name,
        unwrap=vault.unwrap,
        register=redactor.register,
        clock=clock,
    )


def _records(
    vault: VaultClient,
    desired: Desired,
    clock: Callable[[], datetime],
    who: str,
    env: Mapping[str, str],
    tell: Callable[[str], None],
) -> Records:
    from krakenstate.store.base import Records, Upstream
    from krakenstate.store.vault.journal import VaultJournal
    from krakenstate.store.vault.snapshots import VaultSnapshots
    from krakenstate.store.vault.state import VaultStateStore

    mount, path = desired.head.vault.mount, desired.head.vault.state
    promotion, upstream = desired.head.promotes_from, None
    if promotion is not None:
        other = promotion.state_beside(desired.head.vault)
        state = VaultStateStore(vault, mount, other, version=__version__)
        upstream = Upstream(state, VaultSnapshots(vault, mount, other))

    def make_locks() -> LockKeeper:
        from krakenstate.store.vault.lock import VaultLockKeeper

        return VaultLockKeeper(
            vault,
            mount,
            path,
            clock=clock,
            who=who,
            host=socket.gethostname(),
            version=__version__,
            run_link=run_link(env),
            tell=tell,
        )

    def make_ledger() -> Ledger:
        from krakenstate.store.vault.ledger import VaultLedger

        return VaultLedger(vault, mount, path, clock=clock)

    def make_evidence() -> EvidenceStore:
        from krakenstate.store.vault.evidence import VaultEvidence

        return VaultEvidence(vault, mount, path, stack=desired.head.name)

    return Records(
        state=VaultStateStore(vault, mount, path, version=__version__),
        locks=late(make_locks),
        journal=VaultJournal(
            vault, mount, path, clock=clock, who=who, version=__version__, scrub=redactor.scrub
        ),
        snapshots=VaultSnapshots(vault, mount, path),
        ledger=late(make_ledger),
        evidence=late(make_evidence),
        upstream=upstream,
    )


def _site(desired: Desired, name: str | None) -> Allowlist | None:
    if not name:
        return None
    from krakenstate.model.declarations import Allowlist

    found = desired.site(name)
    if found is None:
        known = ", ".join(a.name for a in desired.of(Allowlist)) or "none"
        raise SiteUnknown(f'The stack declares no allowlist "{name}"; it declares {known}.')
    return found


def run_link(env: Mapping[str, str]) -> str | None:
    """Where a pipeline's run can be watched, as GitHub, GitLab or Jenkins say it."""
    if env.get("GITHUB_SERVER_URL") and env.get("GITHUB_RUN_ID"):
        repository = env.get("GITHUB_REPOSITORY", "")
        return f"{env['GITHUB_SERVER_URL']}/{repository}/actions/runs/{env['GITHUB_RUN_ID']}"
    return env.get("CI_JOB_URL") or env.get("BUILD_URL") or None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
