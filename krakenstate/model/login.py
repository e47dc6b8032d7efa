"""How a process logs in to Vault: roles of its login methods, as a grant declares them."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from krakenstate.model.entry import Part
from krakenstate.model.span import Span

TTL = timedelta(hours=1)
"""How long a process's token lives unless its role says otherwise; its client logs in again before that."""


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _whole_seconds(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1) or value.microseconds:
        raise ValueError("a token lives for whole seconds, at least one")
    return value


Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_one_or_more), Field(min_length=1)
]
LoginMount = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")]
TokenSpan = Annotated[Span, AfterValidator(_whole_seconds)]


class AppRole(Part):
    """A role of the AppRole method at ``mount``. Its secret_id is made by an administrator, never here."""

    method: Literal["approle"] = "approle"
    mount: LoginMount = "approle"
    token_ttl: TokenSpan = TTL


class JwtRole(Part):
    """A role of the JWT method at ``mount``: a platform's own signed word for who a process is.

    At least one of ``bound_subject`` and ``bound_claims`` says whom it is for: without them it would let in
    everybody whom the issuer knows. Of a claim with several values any one is enough; all claims must hold.
    """

    method: Literal["jwt"] = "jwt"
    mount: LoginMount = "jwt"
    bound_audiences: Texts
    bound_subject: str | None = Field(default=None, min_length=1)
    bound_claims: dict[str, Texts] | None = Field(default=None, validate_default=True)
    user_claim: str = Field(default="sub", min_length=1)
    token_ttl: TokenSpan = TTL

    @field_validator("bound_claims")
    @classmethod
    def _names_somebody(
        cls, value: dict[str, tuple[str, ...]] | None, info: ValidationInfo
    ) -> dict[str, tuple[str, ...]] | None:
        if not value and info.data.get("bound_subject", "was wrong") is None:
            raise ValueError(
                "without bound_subject or bound_claims it would let in all whom the issuer knows"
            )
        return value


Login = Annotated[AppRole | JwtRole, Field(discriminator="method")]
