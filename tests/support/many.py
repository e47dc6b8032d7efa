"""Many keys on many accounts, approved, made, and waiting in the inbox."""

from __future__ import annotations

from krakenstate import MasterAccount, Process, SpotKey
from krakenstate.model.credential import Credential
from krakenstate.model.entry import Declaration
from tests.support.world import World, spot_key


def many_in_inbox(world: World, accounts: int, keys: int) -> dict[SpotKey, Credential]:
    """So many accounts of so many Spot keys each; every key waits in the inbox."""
    declared: list[Declaration] = []
    made: list[SpotKey] = []
    for a in range(accounts):
        account = MasterAccount(name=f"a{a}", email=f"a{a}@desk.example")
        world.people("create-account", name=account.name, email=account.email)
        declared.append(account)
        for k in range(keys):
            process = Process(name=f"p{a}-{k}", owner="trading")
            made.append(spot_key(name=f"k{a}-{k}", account=account, process=process))
            declared += [process, made[-1]]
    world.declare(*declared)
    world.apply()
    credentials = {key: world.make_key(key) for key in made}
    for key, credential in credentials.items():
        world.leave_in_inbox(key.process.name, key.address, credential)
    return credentials
