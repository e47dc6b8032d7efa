"""Ten days in the life of a desk, each as a plan that the planner and its guardrails make."""

from datetime import date

from krakenstate import Allowlist, Permission, Process, SpotKey, SpotSubaccount, roles
from krakenstate.engine.guard import Guard
from krakenstate.engine.guardrails import guarded
from krakenstate.model.entry import Waiver
from krakenstate.model.plan import Plan, PlanSource
from krakenstate.model.provenance import Missing
from tests.support.looks import account_record, look_at, missing, plan_of, served
from tests.support.world import COLO, DESK, RUNNER, derivatives_key, spot_key
from tests.views import plans
from tests.views.plans import COMMIT, DIGEST, NOW

OFFICE = Allowlist(name="office", networks=["198.51.100.0/28"])
HOME = Allowlist(name="home", networks=["203.0.113.9"])


def planned(declarations, records=(), **options) -> Plan:
    """The guarded plan, with a commit and a digest that stay."""
    look = look_at(declarations, records, now=NOW, **options)
    made = guarded(plan_of(look), look, Guard())
    place = PlanSource(file="stacks/prod.py", line=42)
    checks = tuple(c.model_copy(update={"source": c.source and place}) for c in made.facts.checks)
    facts = made.facts.model_copy(update={"commit": COMMIT, "checks": checks, "sources": {}})
    return made.model_copy(update={"digest": DIGEST, "facts": facts})


def widened() -> Plan:
    """One address more on one allowlist."""
    record = served(spot_key(allowlist=[RUNNER, OFFICE]))
    return planned([OFFICE, HOME, spot_key(allowlist=[RUNNER, OFFICE, HOME])], [record])


def wrong_account() -> Plan:
    """A key answers for an account that is not its own; everything else is as declared."""
    key = derivatives_key()
    detail = (
        "The key answers for the IIBAN ending in 7F2Q; master_account.desk is pinned to one ending in 3F5K."
    )
    seen = missing(key.address, Missing.UNREADABLE, code="KS2104", detail=detail)
    other = spot_key()
    return planned([key, other], [served(key), served(other)], observations=[seen])


def breaker_open() -> Plan:
    """An earlier failed authentication keeps a key from being asked, while another one is edited."""
    key = derivatives_key()
    detail = (
        f"{key.address} was not asked: after a failed authentication (KS2101) its account is left alone "
        "until 2026-11-22T09:41:00Z."
    )
    seen = missing(key.address, Missing.UNREADABLE, code="KS2106", detail=detail)
    narrower = spot_key(permissions={Permission.QUERY_FUNDS})
    return planned([key, narrower], [served(key), served(spot_key())], observations=[seen])


def vault_unreadable() -> Plan:
    """The token may not read where one key's secret lies."""
    key = spot_key()
    detail = "Vault refuses this token kv/metadata/kraken/prod/pnl/spot_key.pnl."
    seen = missing(key.address, Missing.UNREADABLE, code="KS4003", detail=detail)
    return planned([key], [served(key)], observations=[seen])


def three_hundred_keys() -> Plan:
    """Thirty subaccounts with ten processes each, all keys new; three of them at the desk can withdraw."""
    declared, records = [], []
    presets = (roles.MARKET_MAKER, roles.RECONCILIATION, roles.DASHBOARD, roles.STREAMING, roles.FLATTEN)
    for number in range(30):
        name = f"s{number:02}"
        account = SpotSubaccount(
            name=name, master=DESK, username=f"desk-{name}", email=f"{name}@desk.example"
        )
        declared.append(account)
        records.append(account_record(account))
        for place in range(10):
            funding = number < 3 and place == 9
            process = Process(name=f"{name}-p{place}", owner="treasury" if funding else f"team-{number % 5}")
            declared += [
                process,
                SpotKey(
                    name=process.name,
                    account=DESK if funding else account,
                    process=process,
                    permissions={Permission.WITHDRAW_FUNDS} if funding else presets[place % 5],
                    allowlist=[RUNNER if funding else COLO],
                    expires=date(2027, 6, 30),
                ),
            ]
    return planned(declared, records)


def mass_delete() -> Plan:
    """Six of twelve keys left the stack at once."""
    processes = [Process(name=f"bot{number:02}", owner="trading") for number in range(12)]
    keys = [
        spot_key(name=process.name, process=process, permissions=roles.DASHBOARD) for process in processes
    ]
    return planned([*processes, *keys[:6]], [served(key) for key in keys])


def waiver_expiring() -> Plan:
    """A key is open to the world for ten more days, as somebody answers for."""
    waiver = Waiver(
        rule="production-allowlist", owner="risk", reason="the office moves", until=date(2026, 12, 2)
    )
    key = spot_key(allowlist=[], waivers=[waiver])
    return planned([key], [served(key)])


def rotation_due() -> Plan:
    """A key that expires within its two weeks, and the next generation beyond."""
    record = served(spot_key(expires=date(2026, 11, 30)))
    return planned([spot_key()], [record])


SITUATIONS = {
    "first-run": plans.first_run,
    "allowlist-widened": widened,
    "rotation-due": rotation_due,
    "wrong-account": wrong_account,
    "breaker-open": breaker_open,
    "vault-unreadable": vault_unreadable,
    "three-hundred-keys": three_hundred_keys,
    "mass-delete": mass_delete,
    "waiver-expiring": waiver_expiring,
    "nothing": plans.nothing,
}
