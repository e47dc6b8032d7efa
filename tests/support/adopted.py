"""A key of a desk's own, made before krakenstate, with its secret at a path of the desk's own scheme."""

from datetime import date

import pytest

from krakenstate.model.declarations import VaultFields
from krakenstate.model.inventory import InventoryEntry
from krakenstate.model.network import parse_network
from tests.support.world import spot_key

PATH = "trading/pnl"
FIELDS = VaultFields(api_key="key", api_secret="secret")
KEY = spot_key(key_name="PNL (old)", vault_path=PATH, vault_fields=FIELDS)
ENTRY = InventoryEntry(
    name="PNL (old)",
    account="desk",
    permissions=("query-funds", "query-ledger"),
    networks=(parse_network("192.0.2.10"),),
    expires=date(2027, 6, 30),
    last_used=date(2026, 11, 1),
    used_by=("pnl", "dashboard"),
)


@pytest.fixture
def made(world):
    """The key of the desk's own, in use, with its secret at the desk's own path."""
    made = world.people(
        "create-key",
        account="ops@desk.example",
        api="spot",
        name="PNL (old)",
        permission=["query-funds", "query-ledger"],
        ip=["192.0.2.10"],
        expires="2027-06-30",
    )
    world.kv.write(PATH, {"key": made["api_key"], "secret": made["api_secret"], "environment": "live"}, 0)
    return made
