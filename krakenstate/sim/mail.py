"""What Kraken's support and the owners of mailboxes do.

Source: support.kraken.com article 360042809671 (Understanding Derivatives subaccounts; read August to October
2026): the ticket comes from the master's address and names the e-mail of the account to add; that account has
Derivatives unlocked, and its owner confirms a mail. Only then the link exists.
"""

import re
from typing import Any

from krakenstate.sim.errors import DevError
from krakenstate.sim.requests import Address, Empty, TicketText
from krakenstate.sim.simulation import Simulation
from krakenstate.sim.subaccounts import confirm_mail
from krakenstate.sim.views import describe_mail
from krakenstate.sim.world import Account, Mail, Ticket, World

_ADDRESS = r"[ \t]*<?([^\s<>@]+@[^\s<>@]+?)>?[ \t\r]*$"
_SENDER_LINE = re.compile(r"^[ \t]*From:" + _ADDRESS, re.MULTILINE)
_REQUEST_LINE = re.compile(r"^[ \t]*Kraken account to add:" + _ADDRESS, re.MULTILINE)


def process_ticket(sim: Simulation, request: TicketText) -> dict[str, Any]:
    """Act as support on a link request: check the preconditions and mail the subaccount for confirmation."""
    master_email, subaccount_email = _read_addresses(request)
    master = _account_of(sim.world, master_email)
    subaccount = _account_of(sim.world, subaccount_email)
    _check_link(sim.world, master, subaccount)
    sim.world.tickets.append(
        Ticket(master_email=master.email, subaccount_email=subaccount.email, received=sim.now())
    )
    waiting = _waiting_link(sim.world, master, subaccount)
    if waiting is None:
        subject = f"Confirm that {subaccount.email} becomes a Derivatives subaccount of {master.email}"
        sim.world.mails.append(Mail(
            kind="derivatives-link", to=subaccount.email, subject=subject, account_id=subaccount.id,
            master_id=master.id, sent=sim.now(),
        ))  # fmt: skip
    return {
        "result": "already_mailed" if waiting else "mailed",
        "master": master.email,
        "subaccount": subaccount.email,
        "confirm_with": subaccount.email,
    }


def list_mails(sim: Simulation, _: Empty) -> dict[str, Any]:
    """Every mail there is, confirmed or waiting."""
    return {"mails": [describe_mail(sim.world, mail) for mail in sim.world.mails]}


def confirm(sim: Simulation, request: Address) -> dict[str, Any]:
    """Open a mailbox and confirm all that waits in it."""
    wanted = request.email.strip().lower()
    waiting = [mail for mail in sim.world.mails if mail.to.lower() == wanted and mail.confirmed is None]
    if not waiting:
        raise DevError(f"No mail waits for {request.email}", "See which do with: krakenstate dev email list")
    for mail in waiting:
        confirm_mail(sim.world, mail, sim.now())
    return {"email": request.email, "confirmed": [describe_mail(sim.world, mail) for mail in waiting]}


def _read_addresses(request: TicketText) -> tuple[str, str]:
    if request.text is not None:
        sender, added = _SENDER_LINE.search(request.text), _REQUEST_LINE.search(request.text)
        if sender and added:
            return sender[1], added[1]
        raise DevError(
            "The ticket does not say who asks for which account",
            "It needs the lines 'From: MASTER E-MAIL' and 'Kraken account to add: SUBACCOUNT E-MAIL'.",
        )
    if request.master and request.subaccount:
        return request.master, request.subaccount
    raise DevError(
        "Support needs a ticket",
        "Give --master EMAIL and --subaccount EMAIL, or --ticket FILE (- reads standard input).",
    )


def _account_of(world: World, email: str) -> Account:
    account = world.account_by_email(email)
    if account is None:
        raise DevError(
            f"Kraken has no account with e-mail {email}",
            "Sign up first: krakenstate dev web create-account --kind sub --name NAME --email EMAIL",
        )
    return account


def _check_link(world: World, master: Account, subaccount: Account) -> None:
    if master is subaccount:
        raise DevError("An account cannot be its own subaccount", "Name two different accounts.")
    if master.kind != "master" or world.link_to(master):
        raise DevError(
            f"{master.email} is not a master account", "Send the ticket from the master's address."
        )
    if not subaccount.setup_finished:
        raise DevError(
            f"The set-up of {subaccount.email} is not finished",
            f"Confirm its mail first: krakenstate dev email confirm {subaccount.email}",
        )
    for account in (master, subaccount):
        if not account.derivatives_unlocked:
            raise DevError(
                f"Derivatives trading is not unlocked on {account.email}",
                f"Unlock it first: krakenstate dev web unlock-derivatives --account {account.email}",
            )
    if any(world.links_of(subaccount)):
        raise DevError(f"{subaccount.email} has subaccounts of its own", "Name an account without any.")
    link = world.link_to(subaccount)
    if link:
        linked_to = world.account(link.master_id).email
        raise DevError(f"{subaccount.email} is already linked to {linked_to}", "There is nothing left to do.")


def _waiting_link(world: World, master: Account, subaccount: Account) -> Mail | None:
    for mail in world.mails:
        is_link = mail.kind == "derivatives-link" and mail.confirmed is None
        if is_link and mail.account_id == subaccount.id and mail.master_id == master.id:
            return mail
    return None
