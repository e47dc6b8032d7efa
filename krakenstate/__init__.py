"""krakenstate: accounts and API keys on Kraken, declared, reviewed and verified.

This module is the whole authoring surface: what a stack file imports. Each name is loaded at its first use,
so that commands which read no stack start without the models.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as in typing, which commands that read no stack do without
if TYPE_CHECKING:
    from typing import Any

    from krakenstate.model import roles
    from krakenstate.model.declarations import (
        Allowlist,
        DerivativesKey,
        DerivativesSubaccount,
        Environment,
        Grant,
        MasterAccount,
        Moved,
        Process,
        Removed,
        SpotKey,
        SpotSubaccount,
        Vault,
        Waiver,
    )
    from krakenstate.model.limits import Limits, Thresholds
    from krakenstate.model.login import AppRole, JwtRole
    from krakenstate.model.promotion import Promotion
    from krakenstate.model.violation import Violation
    from krakenstate.model.vocabulary import Access, NonceUnit, Permission
    from krakenstate.stack.authoring import Stack

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Allowlist",
    "AppRole",
    "DerivativesKey",
    "DerivativesSubaccount",
    "Environment",
    "Grant",
    "JwtRole",
    "Limits",
    "MasterAccount",
    "Moved",
    "NonceUnit",
    "Permission",
    "Process",
    "Promotion",
    "Removed",
    "SpotKey",
    "SpotSubaccount",
    "Stack",
    "Thresholds",
    "Vault",
    "Violation",
    "Waiver",
    "__version__",
    "roles",
]

_HOMES = {
    "Access": "krakenstate.model.vocabulary",
    "AppRole": "krakenstate.model.login",
    "JwtRole": "krakenstate.model.login",
    "Limits": "krakenstate.model.limits",
    "NonceUnit": "krakenstate.model.vocabulary",
    "Promotion": "krakenstate.model.promotion",
    "Permission": "krakenstate.model.vocabulary",
    "Stack": "krakenstate.stack.authoring",
    "Thresholds": "krakenstate.model.limits",
    "Violation": "krakenstate.model.violation",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "roles":
        return import_module("krakenstate.model.roles")
    value = getattr(import_module(_HOMES.get(name, "krakenstate.model.declarations")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
