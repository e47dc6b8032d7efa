"""krakenstate: accounts and API keys on Kraken, declared, reviewed and verified.

This module is the whole authoring surface: what a stack file imports.
"""

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
)
from krakenstate.model.vocabulary import Access, NonceUnit, Permission
from krakenstate.stack.authoring import Stack

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Allowlist",
    "DerivativesKey",
    "DerivativesSubaccount",
    "Environment",
    "Grant",
    "MasterAccount",
    "Moved",
    "NonceUnit",
    "Permission",
    "Process",
    "Removed",
    "SpotKey",
    "SpotSubaccount",
    "Stack",
    "Vault",
    "__version__",
    "roles",
]
