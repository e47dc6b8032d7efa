"""How accounts come into being and are joined: identifiers, Spot subaccounts, Derivatives links.

Sources: docs.kraken.com `guides/general/subaccounts`, `api-reference/subaccounts/create-subaccount`;
support.kraken.com article 360042809671 (read August to October 2026).
"""

import re
import secrets
import string
from datetime import datetime

from krakenstate.sim.world import Account, Link, Mail, World

IIBAN_PATTERN = re.compile(r"AA[A-Z0-9]{2} [A-Z0-9]{4} [A-Z0-9]{4} [A-Z0-9]{4}")
_LETTERS = string.ascii_uppercase + string.digits


def new_iiban(world: World) -> str:
    """An IIBAN no account has yet."""
    taken = {account.iiban for account in world.accounts}
    while True:
        text = "".join(secrets.choice(_LETTERS) for _ in range(14))
        iiban = f"AA{text[:2]} {text[2:6]} {text[6:10]} {text[10:]}"
        if iiban not in taken:
            return iiban


def open_spot_subaccount(world: World, master: Account, username: str, email: str, now: datetime) -> Account:
    """Make a Spot subaccount; no key can be made on it before its mail is confirmed."""
    account = Account(
        kind="sub", name=username.strip(), username=username.strip(), email=email.strip(),
        iiban=new_iiban(world), institutional=master.institutional,
        derivatives_unlocked=False, setup_finished=False,
        spot_master_id=master.id, tier=master.tier,
    )  # fmt: skip
    world.accounts.append(account)
    world.mails.append(Mail(
        kind="spot-subaccount-setup", to=account.email, subject=f"Finish setting up {account.username}",
        account_id=account.id, master_id=master.id, sent=now,
    ))  # fmt: skip
    return account


def confirm_mail(world: World, mail: Mail, now: datetime) -> None:
    """Do what the mail asked its reader to confirm."""
    mail.confirmed = now
    account = world.account(mail.account_id)
    if mail.kind == "spot-subaccount-setup":
        account.setup_finished = True
    elif world.link_to(account) is None:
        world.links.append(Link(master_id=mail.master_id, subaccount_id=account.id))
