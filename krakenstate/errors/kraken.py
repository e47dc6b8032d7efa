"""KS20xx to KS22xx: what Kraken answered, and keys on their way in."""

from __future__ import annotations

from datetime import datetime

from krakenstate.errors.base import KrakenstateError


class KrakenError(KrakenstateError):
    """Kraken answered with an error, or did not answer."""


class KrakenUnreachable(KrakenError):
    """No connection, or no answer in time. For a write the outcome is unknown."""

    code, headline, retryable = "KS2001", "Kraken did not answer", True
    remedy = "Check the network and status.kraken.com, then run the command again."


class AnswerUnreadable(KrakenError):
    """The answer was not JSON of the documented form (a proxy, an outage page, a truncated body)."""

    code, headline, retryable = "KS2002", "Answer is not what Kraken documents", True
    remedy = "Check for a proxy between here and Kraken, then run the command again."


class KrakenUnavailable(KrakenError):
    """Kraken answered that it cannot work now: maintenance, overload, internal error."""

    code, headline, retryable = "KS2003", "Kraken is not available", True
    remedy = "Look at status.kraken.com and run the command again later."


class RateLimited(KrakenError):
    """The call budget of the key, account or address is used up."""

    code, headline, retryable = "KS2004", "Call budget is used up", True
    remedy = "Wait at least 15 seconds, then run the command again."
    again_at: datetime | None = None
    """From when on Kraken lets itself be asked again, in UTC, if it said so."""


class ClockOff(KrakenError):
    """This machine's clock differs from Kraken's; nonces and expiry would be wrong."""

    code, headline = "KS2005", "Clock is off"
    remedy = "Synchronise this machine's clock (NTP), then run the command again."


class RedirectRefused(KrakenError):
    """The server answered with a redirect; signed requests are sent only to the pinned origin."""

    code, headline = "KS2006", "Redirect refused"
    remedy = "Check the origin; a proxy or an outage page may stand in between."


class OriginRefused(KrakenError):
    """The origin is not https, not loopback, or not the one this lineage or credential was made for."""

    code, headline = "KS2007", "Origin refused"
    remedy = "Unset KRAKENSTATE_SPOT_URL and KRAKENSTATE_FUTURES_URL, or use the ones of krakenstate init."


class NotObservable(KrakenError):
    """Kraken does not offer this call to this account."""

    code, headline = "KS2008", "Kraken does not offer this call here"
    remedy = "Attest the fact instead, or ask Kraken whether the account has the feature."


class RequestRefused(KrakenError):
    """Kraken refused the request's content; asking again would be refused again."""

    code, headline = "KS2009", "Kraken refused the request"
    remedy = "Compare the declaration with the account; the refused field is named above if Kraken said it."


class AccountRestricted(KrakenError):
    """The account is disabled, unconfirmed or restricted."""

    code, headline = "KS2010", "Account is restricted"
    remedy = "Sign in to the account, or ask Kraken support."


class PermissionDenied(KrakenError):
    """The key is valid but may not do this, or the account is not entitled to it."""

    code, headline, exit_code = "KS2011", "Permission denied by Kraken", 3
    remedy = "Compare the key's permissions with what the call needs; krakenstate never adds one by trial."


class ObjectNotFound(KrakenError):
    """Kraken knows no such subaccount under this master."""

    code, headline = "KS2012", "Kraken does not know this object"
    remedy = "Check the link under futures.kraken.com/trade/subaccounts."


class NotMaster(KrakenError):
    """The controller answers for a different account than the master it is declared on."""

    code, headline = "KS2013", "Controller does not speak for the master"
    remedy = "Create the controller's key while signed in to the master account."


class AuthenticationFailed(KrakenError):
    """Kraken rejected the credential. Never retried: each further failure can prolong a lockout."""

    exit_code = 3


class InvalidKey(AuthenticationFailed):
    """Unknown, deleted, expired or disabled key, wrong account, or this site is not on its allowlist."""

    code, headline = "KS2101", "Key was rejected"
    remedy = (
        "It cannot be told from here whether the key is revoked or expired, or whether this site is not on "
        "its allowlist. Look at the key in the web page before doing anything else."
    )


class InvalidSignature(AuthenticationFailed):
    """The secret does not belong to the key, or the key has its own two-factor code."""

    code, headline = "KS2102", "Signature was rejected"
    remedy = "Check that both halves are of one key, and that 2FA is off for this key; then hand it in again."


class InvalidNonce(AuthenticationFailed):
    """The key has seen a larger nonce: somebody else uses or has used it."""

    code, headline = "KS2103", "Nonce was rejected"
    remedy = "The key has been used before, or another program uses it now. Find out which."


class WrongAccount(AuthenticationFailed):
    """A key answers for another account than the declared one; it is never published."""

    code, headline = "KS2104", "Key belongs to another account"
    remedy = "Delete that key, sign in to the right account, create the key there and hand it in."


class TemporaryLockout(AuthenticationFailed):
    """Kraken has locked the account, perhaps this address, after failed authentications."""

    code, headline = "KS2105", "Kraken has locked this out for a while"
    remedy = "Ask nothing for 15 minutes; every call restarts the time."


class BreakerOpen(KrakenError):
    """An earlier failed authentication still forbids calls; asking now could prolong a lockout."""

    code, headline, exit_code = "KS2106", "Not asked: an earlier authentication failed", 3
    remedy = "Wait until the time above, and correct the cause meanwhile."


class NotAskedInService(KrakenError):
    """The process uses this Spot key now: a signed call would move its nonce."""

    code, headline = "KS2120", "Key in service is not asked"
    remedy = "Look at the key in Kraken's web page, or ask it before it is published."


class OutcomeUnknown(KrakenError):
    """A creation was sent and its answer never came; it is never sent again by itself."""

    code, headline, exit_code = "KS3102", "Outcome unknown", 4
    remedy = "Look whether it exists, then say so: krakenstate task settle ID --created | --absent"


class MayExist(OutcomeUnknown):
    """A creation was refused, as Kraken may do when it exists already; it is never sent again by itself."""

    code, headline = "KS2014", "Refused, and may already exist"


class HandInError(KrakenstateError):
    """A secret on its way in could not be taken."""


class CredentialMalformed(HandInError):
    """What was handed in does not have the form of a Kraken key; nothing was stored."""

    code, headline = "KS2201", "This is not a Kraken key"
    remedy = "Keep the dialog open, copy both values again and repeat the command."


class StillAlive(HandInError):
    """A key that was said to be deleted still answers."""

    code, headline, exit_code = "KS2207", "Key is NOT revoked", 3
    remedy = "Delete it in the web page, see that it is gone from the list, and attest its task again."


class NotInService(HandInError):
    """A key that is in service was expected, to be replaced or revoked."""

    code, headline = "KS2208", "Key is not in service"
    remedy = "See what is recorded: krakenstate state show ADDRESS"


class HandInNotExpected(HandInError):
    """No open task asks for a key at this address."""

    code, headline = "KS2202", "No task asks for this key"
    remedy = "Declare the key and run krakenstate apply first; krakenstate task list shows what is open."


class QuarantineFailed(HandInError):
    """The secret could not be stored or read back; it exists only in the dialog."""

    code, headline = "KS2203", "Secret is NOT stored"
    remedy = "Keep the dialog open. Correct the cause above and hand the key in again."


class NotAccepted(HandInError):
    """A handed-in key is not as declared; it stays in quarantine until it is."""

    code, headline = "KS2204", "Key is not as declared"
    remedy = "Correct the key in the web page as listed, then run: krakenstate settle"


class PathNotManaged(HandInError):
    """Something else already lives at a Vault path krakenstate would write to."""

    code, headline = "KS2205", "Vault path belongs to somebody else"
    remedy = "Move what is there, or choose another secrets= prefix for the stack."


class SecretDisappeared(HandInError):
    """A stored secret is no longer at its place in Vault."""

    code, headline = "KS2206", "Secret is not at its place"
    remedy = "Look at the path's history in Vault: bao kv metadata get."


class ReportUnusable(HandInError):
    """What lies at a key's evidence path is no report of it; nothing is concluded from it."""

    code, headline = "KS2220", "Report cannot be used"
    remedy = "Have its host write a new one: krakenstate key verify ADDRESS --report"
