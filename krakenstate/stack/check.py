"""What must hold between the declarations of a stack: for stack files and ``--desired`` files alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from krakenstate.errors import (
    AddressDuplicate,
    ControllerTwice,
    ControlsElsewhere,
    DeclarationInvalid,
    FeatureNotAvailable,
    IdentityShared,
    KrakenstateError,
    NonceUnitUnfit,
    ProcessHoldsTwo,
    Source,
    StackProblems,
    VaultPathTaken,
)
from krakenstate.model.address import Address
from krakenstate.model.declarations import (
    Account,
    DerivativesSubaccount,
    Grant,
    Key,
    MasterAccount,
    SpotKey,
    SpotSubaccount,
)
from krakenstate.model.desired import Desired
from krakenstate.model.entry import Declaration
from krakenstate.model.vocabulary import NonceUnit
from krakenstate.stack.text import clean


def check_declarations(declarations: Sequence[Declaration]) -> list[KrakenstateError]:
    """All problems between declarations that are each valid alone."""
    return [
        *_check_addresses(declarations),
        *_check_features(declarations),
        *_check_controls([d for d in declarations if isinstance(d, Key)]),
        *_check_processes([d for d in declarations if isinstance(d, Key)]),
        *_check_probing([d for d in declarations if isinstance(d, SpotKey)]),
        *_check_identities([d for d in declarations if isinstance(d, Account)]),
        *_check_grants([d for d in declarations if isinstance(d, Grant)]),
    ]


def raise_problems(problems: Iterable[KrakenstateError]) -> None:
    """Ends with all problems, in order of file and line, each said once and in one line.

    Raises:
        KrakenstateError: The problem, if it is the only one.
        StackProblems: Several.
    """
    ordered = sorted(problems, key=_place)
    once = [_in_one_line(next(same)) for _, same in groupby(ordered, key=_place)]
    if len(once) == 1:
        raise once[0]
    if once:
        raise StackProblems(once)


def _in_one_line(problem: KrakenstateError) -> KrakenstateError:
    problem.message = clean(problem.message)
    problem.args = (problem.message,)
    return problem


def _place(problem: KrakenstateError) -> tuple[str, int, str, str]:
    source = problem.source or Source("", 0)
    return source.file, source.line, problem.code, problem.message


def line_of(declaration: Declaration) -> str:
    """``on line 12``, or nothing when a rendered file gives no lines."""
    return f" on line {declaration.source.line}" if declaration.source else ""


def _at(problem: type[KrakenstateError], message: str, culprit: Declaration) -> KrakenstateError:
    return problem(message, address=str(culprit.address), source=culprit.source)


def _check_addresses(declarations: Sequence[Declaration]) -> Iterator[KrakenstateError]:
    first: dict[Address, Declaration] = {}
    for declaration in declarations:
        earlier = first.setdefault(declaration.address, declaration)
        if earlier is declaration:
            continue
        if earlier.source == declaration.source:
            message = f"{declaration.address} is added twice{line_of(declaration)}."
        else:
            where = f"once{line_of(earlier)} and again{line_of(declaration)}" if earlier.source else "twice"
            message = f"{declaration.address} is declared {where}."
        yield _at(AddressDuplicate, message, declaration)


def _check_features(declarations: Sequence[Declaration]) -> Iterator[KrakenstateError]:
    for declaration in declarations:
        for field in declaration.later:
            value = getattr(declaration, field)
            if value != type(declaration).model_fields[field].default:
                yield _at(
                    FeatureNotAvailable,
                    f"{declaration.address} sets {field}, which this version does not honour yet.",
                    declaration,
                )


def _check_controls(keys: Sequence[Key]) -> Iterator[KrakenstateError]:
    first: dict[tuple[Address, str], Key] = {}
    for key in keys:
        if key.controls is None:
            continue
        if not isinstance(key.controls, MasterAccount) or key.controls.address != key.account.address:
            yield _at(
                ControlsElsewhere,
                f"{key.address} sits on {key.account.address} and says that it controls "
                f"{key.controls.address}; a key controls the master account it sits on.",
                key,
            )
            continue
        if key.is_adopted:
            yield _at(
                DeclarationInvalid,
                f"{key.address} is adopted, so others use it, and controls= lets krakenstate act with it. "
                "The two would overtake each other's nonces.",
                key,
            )
            continue
        earlier = first.setdefault((key.controls.address, key.api), key)
        if earlier.address != key.address:
            yield _at(
                ControllerTwice,
                f"{key.controls.address} is controlled by {earlier.address}{line_of(earlier)} and by "
                f"{key.address}{line_of(key)}.",
                key,
            )


def _check_processes(keys: Sequence[Key]) -> Iterator[KrakenstateError]:
    first: dict[tuple[Address, Address, str], Key] = {}
    for key in keys:
        earlier = first.setdefault((key.process.address, key.account.identity, key.api), key)
        if earlier.address != key.address:
            yield _at(
                ProcessHoldsTwo,
                f"{key.process.address} holds {earlier.address}{line_of(earlier)} and {key.address}"
                f"{line_of(key)}, both {key.api} keys on {key.account.address}.",
                key,
            )


def _check_probing(keys: Sequence[SpotKey]) -> Iterator[KrakenstateError]:
    """A key in service is asked from the clock of its process, so that there must be one, and it is known."""
    for key in keys:
        if not key.probe_in_service:
            continue
        if key.controls is not None:
            why = "it is used by krakenstate itself, under its lock; a question beside that could overtake it"
        elif key.nonce_unit is None:
            why = "it declares no nonce_unit, and an undeclared unit is never guessed"
        elif key.nonce_unit is NonceUnit.COUNTER:
            why = "its client counts by itself, so that any nonce from a clock could overtake it for good"
        else:
            continue
        yield _at(NonceUnitUnfit, f"{key.address} sets probe_in_service, but {why}.", key)


def check_vault_paths(desired: Desired) -> list[KrakenstateError]:
    """An adopted secret lies at a path of its own, away from what krakenstate keeps."""
    vault = desired.head.vault
    keys = desired.of(Key)
    adopted = [(key, key.vault_path) for key in keys if key.vault_path is not None]
    ours = {f"{vault.secrets}/{k.process.name}/{k.address}": k.address for k in keys} if adopted else {}
    first: dict[str, Key] = {}
    found: list[KrakenstateError] = []
    for key, declared in adopted:
        path = declared.removeprefix(f"{vault.mount}/")
        earlier = first.setdefault(path, key)
        if earlier is not key:
            why = f"the secret of {earlier.address}{line_of(earlier)} lies there too"
        elif path == vault.state or path.startswith(f"{vault.state}/"):
            why = "krakenstate keeps its own records there"
        elif path in ours:
            why = f"krakenstate publishes the next generation of {ours[path]} there"
        else:
            continue
        found.append(_at(VaultPathTaken, f"{key.address} adopts the path {declared}, and {why}.", key))
    return found


def _check_identities(accounts: Sequence[Account]) -> Iterator[KrakenstateError]:
    """An account is one e-mail, one user name, one IIBAN; ``same_as`` says where two declarations are one."""
    first: dict[tuple[str, str], Account] = {}
    linked: dict[Address, Account] = {}
    for account in accounts:
        if isinstance(account, DerivativesSubaccount) and account.same_as is not None:
            twin = linked.setdefault(account.same_as.address, account)
            if twin.address != account.address:
                yield _at(
                    IdentityShared,
                    f"{account.address} and {twin.address}{line_of(twin)} are both the same as "
                    f"{account.same_as.address}.",
                    account,
                )
                continue
        for what, value in _traits(account):
            earlier = first.setdefault((what, value.casefold()), account)
            if earlier.address != account.address and earlier.identity != account.identity:
                yield _at(
                    IdentityShared,
                    f"{account.address} has the same {what} as {earlier.address}{line_of(earlier)}.",
                    account,
                )


def _traits(account: Account) -> Iterator[tuple[str, str]]:
    yield "e-mail", account.email
    if isinstance(account, SpotSubaccount):
        yield "user name", account.username
    iiban = getattr(account, "iiban", None)
    if isinstance(iiban, str):
        yield "IIBAN", iiban


def _check_grants(grants: Sequence[Grant]) -> Iterator[KrakenstateError]:
    first: dict[Address, Grant] = {}
    for grant in grants:
        earlier = first.setdefault(grant.process.address, grant)
        if earlier.address != grant.address:
            yield _at(
                DeclarationInvalid,
                f"{grant.address}: {grant.process.address} already has {earlier.address}{line_of(earlier)}; "
                "one grant per process says who may read its secrets.",
                grant,
            )
