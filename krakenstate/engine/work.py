"""Opening tasks: what a person must know, gathered, and written out by the provider whose pages they use."""

from __future__ import annotations

from collections.abc import Sequence

from krakenstate.engine.explain import reasons_of
from krakenstate.engine.identity import Misplaced
from krakenstate.engine.outlook import PolicyText, key_label, known_last_four
from krakenstate.engine.plan_grants import ADMINISTRATOR
from krakenstate.engine.reach import edit_can_be_asked, sites_of
from krakenstate.engine.session import Writing
from krakenstate.model.address import Address
from krakenstate.model.declarations import (
    Account,
    DerivativesSubaccount,
    Grant,
    Key,
    MasterAccount,
    SpotSubaccount,
)
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration
from krakenstate.model.identity import mask_tail
from krakenstate.model.plan import AttributeChange
from krakenstate.model.rotation import ADOPTED_GENERATION
from krakenstate.model.state import AccountRecord, Finding, GrantRecord, KeyRecord, State
from krakenstate.model.task import ITS_ID, Task, TaskKind
from krakenstate.model.vocabulary import Api
from krakenstate.providers.base import AccountJob, GrantAuthor, GrantJob, KeyJob
from krakenstate.tasks.life import open_task


class Work:
    """Opens tasks in one run's state and says so."""

    def __init__(self, run: Writing) -> None:
        self._run = run
        self._session = run.session

    def create_key(self, record: KeyRecord, owner: str, waits_on: tuple[str, ...]) -> Task:
        """Somebody makes the key and hands it in."""
        job = self.key_job(record, owner)
        text = self._session.providers.keys[record.terms.api].create_key(job)
        label = key_label(record.key_name, None, job.account_label)
        return self._open(
            TaskKind.CREATE_KEY,
            record.address,
            owner,
            f"create {label}",
            text,
            generation=record.generation,
            waits_on=waits_on,
        )

    def edit_key(self, record: KeyRecord, owner: str, changes: Sequence[AttributeChange]) -> Task:
        """Somebody changes an existing key in the web page."""
        can_be_asked = edit_can_be_asked(self._session.desired, record)
        job = self.key_job(record, owner)._replace(can_be_asked=can_be_asked)
        text = self._session.providers.keys[record.terms.api].edit_key(job, changes)
        label = key_label(record.key_name, job.last_four, job.account_label)
        return self._open(
            TaskKind.EDIT_KEY,
            record.address,
            owner,
            f"edit {label}",
            text,
            generation=record.generation,
            can_be_asked=can_be_asked,
        )

    def delete_key(
        self,
        record: KeyRecord,
        owner: str,
        why: str,
        *,
        subject: str = "",
        last_four: str | None = None,
        misplaced: Misplaced | None = None,
    ) -> Task:
        """Somebody deletes a key in the web page, on the account where it really is."""
        job = self.key_job(record, owner, last_four=last_four)
        if misplaced is not None:
            job = self._where_it_is(job, misplaced)
        text = self._session.providers.keys[record.terms.api].delete_key(job, why)
        label = key_label(record.key_name, job.last_four, job.account_label)
        return self._open(
            TaskKind.DELETE_KEY,
            record.address,
            owner,
            f"delete {label}",
            text,
            generation=record.generation,
            subject=subject,
        )

    def adopt_key(self, record: KeyRecord, owner: str) -> Task:
        """The owner makes the process use the new generation."""
        process, head = record.process.name, self._session.desired.head
        path = record.published.path if record.published else "its path in Vault"
        shown = key_label(record.key_name, known_last_four(record), self.key_job(record, owner).account_label)
        first, others, last = self._of_adopted(record) or (
            f"Make the process {process} read its secret again",
            "",
            "",
        )
        text = (
            f"A new generation lies at {path}: {shown}. The old key still works.\n\n"
            f"1. {first}: restart it, or let it re-read Vault.\n"
            "2. See that it works with the new key, and that no instance of it still uses the old one."
            f"{others}\n"
            "3. Say so, on its host with the token it reports with, or from anywhere:\n"
            f"        krakenstate key verify {record.address} --in-use --stack {head.name}\n"
            f'        krakenstate task attest {ITS_ID} --note "restarted" --stack {head.name}\n'
            f"{last}"
        )
        title = f"let process {process} use {shown}"
        return self._open(
            TaskKind.ADOPT_KEY, record.address, owner, title, text, generation=record.generation
        )

    def _of_adopted(self, record: KeyRecord) -> tuple[str, str, str] | None:
        """What else is to do where an adopted key is replaced: its process reads its secret elsewhere.

        The first step, what to look for in the second, and a last line; ``None`` of any other key.
        """
        old, adopted = record.rotation.old if record.rotation else None, record.adopted
        if adopted is None or old is None or old.number != ADOPTED_GENERATION:
            return None
        left, process = self._session.left_at(record, old), record.process.name
        path = record.published.path if record.published else "its path in Vault"
        first = f"Make the process {process} read its secret at {path} from now on"
        first += f", not at {left}" if left else ""
        first += ". Its fields are api_key and api_secret, and a Grant lets it read there"
        others = [user for user in adopted.used_by if user != process]
        look = (
            f" By the desk's list {' and '.join(others)} used it too: see that nobody does." if others else ""
        )
        last = f"The secret at {left} is left alone: remove it there once the old key is deleted.\n"
        return first, look, last if left else ""

    def stop_process(self, record: KeyRecord, owner: str) -> Task:
        """The owner stops the process before its key goes."""
        process = record.process.name
        text = (
            f"1. Stop the process {process}, so that nothing calls Kraken with this key any more.\n"
            "2. Make sure that no open order or position depends on it.\n"
            f'3. Say so: krakenstate task attest {ITS_ID} --note "stopped"\n'
        )
        return self._open(
            TaskKind.STOP_PROCESS,
            record.address,
            owner,
            f"stop process {process}",
            text,
            generation=record.generation,
        )

    def correction(self, record: KeyRecord, owner: str, findings: Sequence[Finding]) -> str:
        """What to click so that a handed-in key becomes as declared."""
        return self._session.providers.keys[record.terms.api].correct_key(
            self.key_job(record, owner), findings
        )

    def find_out(
        self, record: KeyRecord | GrantRecord | AccountRecord, owner: str, title: str, text: str
    ) -> Task:
        """Somebody finds out whether something exists that the state does not know of."""
        generation = record.generation if isinstance(record, KeyRecord) else 0
        return self._open(TaskKind.SETTLE_UNKNOWN, record.address, owner, title, text, generation=generation)

    def account(self, kind: TaskKind, account: Account, assignee: str, *, why_unknown: str = "") -> Task:
        """Asking for an account, finishing its set-up, linking it, or finding out whether it exists."""
        job = account_job(account, self._session.desired, self._run.state)
        job = job._replace(why_unknown=why_unknown)
        providers = self._session.providers
        writers = {
            TaskKind.REQUEST_SPOT_SUBACCOUNT: providers.subaccounts.request_subaccount,
            TaskKind.FINISH_EMAIL_SETUP: providers.subaccounts.finish_email_setup,
            TaskKind.SETTLE_UNKNOWN: providers.subaccounts.confirm_created,
            TaskKind.LINK_DERIVATIVES: providers.links.link_account,
        }
        titles = {
            TaskKind.REQUEST_SPOT_SUBACCOUNT: f'ask Kraken for the Spot subaccount "{job.username}"',
            TaskKind.FINISH_EMAIL_SETUP: f"finish the e-mail set-up of {job.email}",
            TaskKind.SETTLE_UNKNOWN: f'find out whether the subaccount "{job.username}" exists',
            TaskKind.LINK_DERIVATIVES: f"link {job.email} to the master {job.master_email}",
        }
        return self._open(kind, account.address, assignee, titles[kind], writers[kind](job))

    def install_grant(self, record: GrantRecord, owner: str) -> Task:
        """A Vault administrator installs a policy."""
        author, vault = self._session.providers.grants, self._session.desired.head.vault
        job = GrantJob(
            stack=self._session.desired.head.name,
            address=record.address,
            process=record.process.name,
            owner=owner,
            policy_name=record.policy_name,
            policy=record.policy,
            policy_for_all=author.policy_for_all(vault.mount, vault.secrets, vault.state),
            role_place=record.role_place,
            role=record.role,
        )
        text = author.install_grant(job)
        title = f"install the policy {record.policy_name}"
        return self._open(TaskKind.INSTALL_GRANT, record.address, ADMINISTRATOR, title, text)

    def unlink_text(self, record: AccountRecord) -> str:
        """What to ask support for when a link leaves the stack."""
        state = self._run.state
        master = state.account(record.master) if record.master else None
        job = AccountJob(
            stack=self._session.desired.head.name,
            address=record.address,
            name=record.address.name,
            email=record.email,
            username=record.username,
            master_address=record.master or "",
            master_name=record.master.name if record.master else "",
            master_email=master.email if master else "",
            account_iiban=record.iiban,
            account_uid=record.account_uid,
        )
        return self._session.providers.links.unlink_account(job)

    def key_job(self, record: KeyRecord, owner: str, *, last_four: str | None = None) -> KeyJob:
        """What a person must know of a key."""
        job = key_job(record, owner, self._session.desired, self._run.state)
        return job._replace(last_four=last_four) if last_four else job

    def _where_it_is(self, job: KeyJob, misplaced: Misplaced) -> KeyJob:
        """The job on the account a key answers for, instead of the one it was declared on."""
        found = self._session.desired.resources.get(misplaced.owner) if misplaced.owner else None
        if isinstance(found, Account):
            label = found.username if isinstance(found, SpotSubaccount) else found.name
            return job._replace(account_address=found.address, account_label=label, account_email=found.email)
        tail = f"the account whose IIBAN ends in {mask_tail(misplaced.iiban)}" if misplaced.iiban else ""
        label = tail or "the account it was made on"
        return job._replace(account_address="an account of no stack", account_label=label, account_email="")

    def _open(
        self,
        kind: TaskKind,
        address: Address,
        assignee: str,
        title: str,
        instructions: str,
        *,
        generation: int = 0,
        waits_on: tuple[str, ...] = (),
        subject: str = "",
        can_be_asked: bool = True,
    ) -> Task:
        task, new = open_task(
            self._run.state,
            kind,
            address,
            assignee=assignee,
            title=title,
            instructions=instructions,
            now=self._run.now,
            generation=generation,
            waits_on=waits_on,
            subject=subject,
            can_be_asked=can_be_asked,
        )
        if new:
            self._session.audience.opened(task)
        return task


def owner_of(record: KeyRecord, desired: Desired, state: State) -> str:
    """Who acts on a key: its process's owner, or whoever its last task was for."""
    declared = desired.resources.get(record.address)
    if isinstance(declared, Key):
        return declared.process.owner
    earlier = [t.assignee for t in state.tasks if t.address == record.address]
    return earlier[-1] if earlier else record.process.name


def key_job(record: KeyRecord, owner: str, desired: Desired, state: State) -> KeyJob:
    """What a person must know of a key."""
    account = desired.resources.get(record.account)
    known = state.account(record.account)
    email = account.email if isinstance(account, Account) else (known.email if known else "")
    label = account.username if isinstance(account, SpotSubaccount) else record.account.name
    return KeyJob(
        stack=desired.head.name,
        address=record.address,
        account_address=record.account,
        account_label=label,
        account_email=email,
        process=record.process.name,
        owner=owner,
        generation=record.generation,
        key_name=record.key_name,
        terms=record.terms,
        last_four=known_last_four(record),
        site=_site(desired.resources.get(record.address), record),
        reasons=reasons_of(desired.resources.get(record.address), record.terms),
    )


def account_job(account: Account, desired: Desired, state: State) -> AccountJob:
    """What a person must know of an account and its master."""
    master = account.master if isinstance(account, SpotSubaccount | DerivativesSubaccount) else account
    record = state.account(account.address)
    of_master = state.account(master.address)
    declared = master.iiban if isinstance(master, MasterAccount) else None
    controller = desired.controller(master, Api.DERIVATIVES) if isinstance(master, MasterAccount) else None
    return AccountJob(
        stack=desired.head.name,
        address=account.address,
        name=account.name,
        email=account.email,
        username=account.username if isinstance(account, SpotSubaccount) else None,
        master_address=master.address,
        master_name=master.name,
        master_email=master.email,
        master_iiban=declared or (of_master.iiban if of_master else None),
        master_uid=of_master.account_uid if of_master else None,
        account_iiban=record.iiban if record else None,
        account_uid=record.account_uid if record else None,
        site=_only(sites_of(controller)),
    )


def _site(declared: Declaration | None, record: KeyRecord) -> str:
    """The site from which a key can be asked, before and after an edit of it."""
    seen = record.description.networks if record.description else None
    return _only(sites_of(declared if isinstance(declared, Key) else None, seen))


def _only(sites: tuple[str, ...]) -> str:
    """The one site there is; of several nobody here knows which one the reader is at."""
    return sites[0] if len(sites) == 1 else ""


def policies_of(desired: Desired, author: GrantAuthor) -> dict[Address, PolicyText]:
    """Every declared grant's policy, written by the provider that knows its language."""
    vault = desired.head.vault
    found: dict[Address, PolicyText] = {}
    for grant in desired.of(Grant):
        name = author.policy_name(desired.head.name, grant.name)
        found[grant.address] = PolicyText(
            name=name,
            text=author.policy(vault.mount, vault.secrets, grant.process.name, vault.state),
            place=author.policy_place(name),
            role_place=author.role_place(grant.auth, name) if grant.auth else "",
            role=author.role(grant.auth, name) if grant.auth else "",
        )
    return found
