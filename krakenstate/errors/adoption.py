"""KS13xx and findings beside them: a desk's own list of keys, and what was there before krakenstate."""

from __future__ import annotations

from krakenstate.errors.base import KrakenstateError


class AdoptionError(KrakenstateError):
    """Something about a desk that was there before krakenstate."""


class InventoryInvalid(AdoptionError):
    """A line of an inventory cannot be read; nothing of the whole table was stored."""

    code, headline = "KS1301", "Inventory cannot be read"
    remedy = "Correct the lines named above, and add the whole table again."


class InventoryHoldsSecret(AdoptionError):
    """A cell looks like half of a key or like a token. It was not stored, and is not repeated."""

    code, headline = "KS1302", "Inventory holds what looks like a secret"
    remedy = "Take it out of the table, and find out who else has seen that table."


class FileExists(AdoptionError):
    """The file that import was to write exists; it never writes over one."""

    code, headline = "KS1303", "File exists already"
    remedy = "Name another file, or move this one away."


class NothingToImport(AdoptionError):
    """The inventory holds no key that the stack does not declare already."""

    code, headline = "KS1304", "Nothing to import"
    remedy = "Add the list of keys first: krakenstate inventory add FILE"


class ImportImpossible(AdoptionError):
    """What the inventory names cannot be written as a stack yet."""

    code, headline = "KS1305", "Stack cannot be generated"
    remedy = "Declare what is missing beside the accounts, and run the command again."


class KeyUnmanaged(AdoptionError):
    """A key of the inventory is in no stack: a check of a plan, not an error."""

    code, headline = "KS1311", "Key is not managed"
    remedy = "Declare it with key_name= and apply that, or import it."


class KeyShared(AdoptionError):
    """Several programs use one adopted key, and overtake each other's nonces: a check, not an error."""

    code, headline = "KS1312", "Key is shared"
    remedy = "Declare a key for each of its processes, and change them over one by one."


class KeyExpired(AdoptionError):
    """An adopted key has expired and is still listed: a check, not an error."""

    code, headline = "KS1313", "Key has expired"
    remedy = "Declare rotate_before= and a later expires=, and it is replaced; or take it out of the stack."


class KeyOfNobody(AdoptionError):
    """Nobody knows what uses an adopted key: a check, not an error."""

    code, headline = "KS1314", "Nobody knows what uses the key"
    remedy = "Find its owner and name its Process; if there is none, take it out of the stack."


class AdoptionOver(AdoptionError):
    """The key that a declaration adopts was replaced or revoked: a check, not an error."""

    code, headline = "KS1315", "Adoption is over"
    remedy = "Take key_name=, vault_path= and vault_fields= out of its declaration; the plan stays as it is."
