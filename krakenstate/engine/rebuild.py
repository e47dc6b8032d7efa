"""``state rebuild``: a lost state made anew from what Vault and Kraken tell.

How this works: a secret in service shows by its metadata which key of which process it is, so it is recorded
again. What a key or the master's list of links says of itself is recorded as observed. Everything else that
the stack declares may exist or may not: the lost state knew. It is recorded as unknown, with a task that asks
a person, so that no plan proposes to make it once more. Nothing remote is written but the state, and that at
the end: a run that dies before can be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from krakenstate.engine.accounts import new_account_record
from krakenstate.engine.adoption import adoption_of, put_account, record_of
from krakenstate.engine.grants import grant_record
from krakenstate.engine.moves import foreseen, rename
from krakenstate.engine.observe import observe
from krakenstate.engine.plan_adopted import is_adopted
from krakenstate.engine.plan_keys import FIRST_GENERATION, name_at_kraken
from krakenstate.engine.reading import load_state
from krakenstate.engine.runs import Stop, never, new_index
from krakenstate.engine.session import Session, Writing
from krakenstate.engine.work import Work, policies_of
from krakenstate.errors import CredentialMalformed, LineageMissing, StateDamaged, StateHealthy
from krakenstate.model.address import Address
from krakenstate.model.declarations import (
    Account,
    DerivativesSubaccount,
    Grant,
    Key,
    MasterAccount,
    Process,
    SpotKey,
    SpotSubaccount,
)
from krakenstate.model.provenance import Provenance
from krakenstate.model.snapshot import Presence, Snapshot
from krakenstate.model.state import AccountStatus, KeyRecord, Published, State
from krakenstate.model.task import ITS_ID, Task, TaskKind
from krakenstate.model.terms import KeyTerms
from krakenstate.model.vocabulary import Api
from krakenstate.secret.base import Shelved

WHY = "the state was lost and made anew, and it had been the only record of that"
OWNER = "account owner"


@dataclass
class Rebuilt:
    """What came of it.

    ``why`` says what was wrong with the old state; ``secrets`` are the keys recorded again from Vault;
    ``left`` says, a line each, what lies in Vault and could not be recorded.
    """

    state: State
    why: str
    secrets: list[Address] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def rebuild(session: Session, *, lineage: str | None, wait_s: float, stop: Stop = never) -> Rebuilt:
    """Makes the state anew, under the lock.

    Args:
        session: Its site decides which keys may be asked.
        lineage: Of the readable state that shall be given up; ``None`` to give up none.
        wait_s: How long to wait for the lock.
        stop: Raises when somebody asked the run to stop.

    Raises:
        StateHealthy: There is a state that can be read, and its lineage was not named.
        StateOfAnother, OriginMismatch, StateTooNew: The state there is not this stack's to replace.
        VaultError, KrakenError: Vault or Kraken's clock could not be read; nothing was written.
    """
    lease = session.records.locks.acquire("state rebuild", wait_s=wait_s)
    try:
        why = _reason(session, lineage)
        run = Writing(
            session=session,
            lease=lease,
            journal=session.records.journal,
            state=State(new_index(session), {}),
            stop_requested=stop,
        )
        rebuilt = Rebuilt(state=run.state, why=why)
        _Rebuilder(run, rebuilt).rebuild()
        stop()
        run.lease.check()
        session.records.journal.begin("state rebuild")
        session.records.state.replace(run.state, session.clock())
        session.records.journal.end("done")
        session.records.state.pack(run.state)
        return rebuilt
    finally:
        lease.release()


def _reason(session: Session, lineage: str | None) -> str:
    """Why the state may be replaced, as a sentence."""
    try:
        state = load_state(session)
    except (LineageMissing, StateDamaged) as lost:
        return lost.message
    if lineage == state.index.lineage:
        return f"The state {lineage} was given up by name."
    raise StateHealthy(
        f"The state at {session.records.state.location} can be read; it has the lineage "
        f"{state.index.lineage} and the serial {state.index.serial}. A state made anew would know less.",
        next_step=(
            f"To give it up all the same, name it: krakenstate state rebuild --lineage {state.index.lineage}"
            if lineage is None
            else StateHealthy.remedy
        ),
    )


class _Rebuilder:
    def __init__(self, run: Writing, rebuilt: Rebuilt) -> None:
        self._run = run
        self._session = run.session
        self._desired = run.session.desired
        self._state = run.state
        self._out = rebuilt
        self._work = Work(run)

    def rebuild(self) -> None:
        for found in self._session.custody.shelf():
            if found.place is None:
                self._run.stop_requested()
                self._in_service(found)
            else:
                self._in_quarantine(found)
        pending = foreseen(self._desired, self._state)[1]
        for new, old in pending.items():
            rename(self._state, old, new)
        self._take_over(observe(self._session, self._state))
        for resource in self._desired.resources.values():
            if resource.observe_only:
                continue
            subaccount = resource if isinstance(resource, SpotSubaccount | DerivativesSubaccount) else None
            if subaccount is not None and is_adopted(subaccount, self._desired):
                put_account(self._run, subaccount, self._run.lease.lock.who)
                continue
            match resource:
                case SpotSubaccount():
                    self._ask_for_subaccount(resource)
                case DerivativesSubaccount():
                    self._ask_for_link(resource)
                case Key():
                    self._ask_for_key(resource)
                case Grant():
                    self._ask_for_grant(resource)
                case _:
                    pass

    # -- what Vault holds --------------------------------------------------------------------------------

    def _in_service(self, found: Shelved) -> None:
        """A secret at a process's path: published once, so it answered as declared then."""
        address = Address(found.recorded_as or found.slot.address)
        beside = self._session.custody.beside(found.slot)
        declared = self._key(self._desired.moved_to(address))
        account = self._account(declared, beside.get("account", ""))
        try:
            credential = self._session.custody.read_published(found.slot)
        except CredentialMalformed as wrong:
            self._out.left.append(wrong.message)
            return
        if account is None or credential is None:
            named = beside.get("account") or "?"
            self._out.left.append(
                f"{found.held.path}: the stack declares no account {named}, so its key is not recorded. It "
                "is left as it is"
            )
            return
        terms = KeyTerms.of(declared) if declared else KeyTerms(api=_api_of(address))
        replaced = None  # a key that its declaration still adopts; what lies at our path came after it
        if declared is not None and declared.is_adopted:
            replaced = adoption_of(declared, None, self._run.lease.lock.who, self._run.now)
        record = KeyRecord(
            address=address,
            account=account.address,
            process=Address.of(Process.type_name, found.slot.process),
            generation=found.generation,
            key_name=beside.get("key_name") or None,
            terms=terms,
            published=Published(
                fingerprint=credential.fingerprint,
                last_four=credential.last_four,
                path=found.held.path,
                version=found.held.version,
                at=self._run.now,
            ),
            provenance=Provenance.RECORDED,
            protect=declared.protect if declared else False,
            adopted=replaced,
            kept_as=Address(found.slot.address) if found.recorded_as else None,
        )
        self._state.put(record)
        self._out.secrets.append(address)
        self._pin(account, beside.get("iiban") or None)

    def _in_quarantine(self, found: Shelved) -> None:
        """A secret that was handed in and not published: the next settle goes on with it."""
        address = Address(found.slot.address)
        declared = self._key(self._desired.moved_to(address))
        if self._state.key(address) is not None:
            return  # a copy of the one in service; the next settle drops it
        if declared is None or declared.process.name != found.slot.process:
            self._out.left.append(
                f"{found.held.path}: a secret that was handed in for a key the stack does not declare. It is "
                "left as it is"
            )
            return
        kept_as = Address(found.slot.address) if declared.address != found.slot.address else None
        self._state.put(_awaited(declared).model_copy(update={"kept_as": kept_as}))
        self._out.secrets.append(address)

    def _pin(self, account: Account, iiban: str | None) -> None:
        known = self._state.account(account.address)
        status = AccountStatus.EXISTS if isinstance(account, MasterAccount) else AccountStatus.UNKNOWN
        record = known or new_account_record(account, status)
        self._state.put(record.model_copy(update={"iiban": record.iiban or iiban}))

    # -- what Kraken says --------------------------------------------------------------------------------

    def _take_over(self, snapshot: Snapshot) -> None:
        for seen in snapshot.observations.values():
            if seen.presence is not Presence.PRESENT:
                continue
            key, link = self._state.key(seen.address), self._desired.resources.get(seen.address)
            if key is not None and seen.description is not None:
                self._state.put(
                    key.model_copy(
                        update={
                            "description": seen.description,
                            "described_at": seen.at,
                            "provenance": Provenance.OBSERVED,
                        }
                    )
                )
                account = self._state.account(key.account)
                if account is not None:
                    uid = account.account_uid or seen.description.account_uid
                    self._state.put(account.model_copy(update={"account_uid": uid}))
            elif isinstance(link, DerivativesSubaccount):
                self._record_link(link, snapshot)

    def _record_link(self, account: DerivativesSubaccount, snapshot: Snapshot) -> None:
        seen = snapshot.of(account.address)
        known = self._state.account(account.address) or new_account_record(account, AccountStatus.EXISTS)
        uid, trading = seen.facts.get("account_uid"), seen.facts.get("trading_enabled")
        self._state.put(
            known.model_copy(
                update={
                    "status": AccountStatus.EXISTS,
                    "account_uid": str(uid.value) if uid and uid.is_known else None,
                    "trading_enabled": trading.value if trading and trading.is_known else None,
                    "existed_at": seen.at,
                    "provenance": Provenance.OBSERVED,
                }
            )
        )

    # -- what only people know ---------------------------------------------------------------------------

    def _ask_for_subaccount(self, account: SpotSubaccount) -> None:
        known = self._state.account(account.address) or new_account_record(account, AccountStatus.UNKNOWN)
        self._state.put(known)
        with_key = any(isinstance(r, KeyRecord) and r.account == account.address for r in self._state.records)
        hint = " (a key of it is in service, so it should be there)" if with_key else ""
        owner = self._administrator(account.master)
        self._out.tasks.append(
            self._work.account(TaskKind.SETTLE_UNKNOWN, account, owner, why_unknown=WHY + hint)
        )

    def _ask_for_link(self, account: DerivativesSubaccount) -> None:
        known = self._state.account(account.address)
        if known is not None and known.status is AccountStatus.EXISTS:
            return
        record = known or new_account_record(account, AccountStatus.UNKNOWN)
        self._state.put(record)
        text = (
            f"Find out whether linking {account.email} to the master {account.master.email} was asked for: "
            f"{WHY}.\n\n"
            f"1. Look into the mailbox of {account.master.email} for a request to Kraken's support, and look "
            "whether the master's list of subaccounts shows it.\n"
            "2. Then answer with one of (--created: it was asked for, or is there):\n" + self._answers()
        )
        owner = self._administrator(account.master)
        title = f"find out whether the link of {account.email} was asked for"
        self._out.tasks.append(self._work.find_out(record, owner, title, text))

    def _ask_for_key(self, key: Key) -> None:
        if self._state.key(key.address) is not None:
            return
        if key.is_adopted:  # its declaration says that it is there
            who = self._run.lease.lock.who
            self._state.put(record_of(self._session, key, (), who, self._run.now))
            return
        record = _awaited(key)
        self._state.put(record)
        named = f'is named "{record.key_name}"' if record.key_name else "nobody can account for"
        text = (
            f"Find out whether the key {key.address} was made: {WHY}, and its secret is not in Vault.\n\n"
            f"1. Sign in to {key.account.name} ({key.account.email}) and look in its list of API keys for "
            f"one that {named}.\n"
            "2. Then answer with one of (--created opens the task to hand it in; if nobody has its secret "
            "any more, delete the key and answer --absent):\n" + self._answers()
        )
        title = f"find out whether the key {key.address} was made"
        self._out.tasks.append(self._work.find_out(record, key.process.owner, title, text))

    def _ask_for_grant(self, grant: Grant) -> None:
        policy = policies_of(self._desired, self._session.providers.grants)[grant.address]
        record = grant_record(grant, policy)
        self._state.put(record)
        if grant.manage:
            return  # the next plan reads it
        text = (
            f"Find out whether the policy {policy.name} is installed: {WHY}.\n\n"
            f"1. Look: bao policy read {policy.name}\n"
            "2. It must read as follows; then answer with one of:\n" + self._answers() + f"\n{policy.text}"
        )
        title = f"find out whether the policy {policy.name} is installed"
        self._out.tasks.append(self._work.find_out(record, grant.process.owner, title, text))

    # -- shared ------------------------------------------------------------------------------------------

    def _answers(self) -> str:
        end = f"--stack {self._desired.head.name}"
        return "".join(
            f"        krakenstate task settle {ITS_ID} {answer} {end}\n"
            for answer in ("--created", "--absent")
        )

    def _key(self, address: Address) -> Key | None:
        found = self._desired.resources.get(address)
        return found if isinstance(found, Key) else None

    def _account(self, declared: Key | None, name: str) -> Account | None:
        """The account a secret was published for: its declaration's, if that is still so called."""
        if declared is not None and (declared.account.name == name or not name):
            return declared.account
        named = [account for account in self._desired.of(Account) if account.name == name]
        return named[0] if len(named) == 1 else None

    def _administrator(self, master: MasterAccount) -> str:
        controllers = (self._desired.controller(master, api) for api in Api)
        return next((key.process.owner for key in controllers if key is not None), OWNER)


def _awaited(key: Key) -> KeyRecord:
    return KeyRecord(
        address=key.address,
        account=key.account.address,
        process=key.process.address,
        key_name=name_at_kraken(key, FIRST_GENERATION),
        terms=KeyTerms.of(key),
        protect=key.protect,
    )


def _api_of(address: Address) -> Api:
    return Api.SPOT if address.type == SpotKey.type_name else Api.DERIVATIVES
