"""Both halves of a key, as they travel through memory."""

from pydantic import SecretStr

from krakenstate.model.base import Model
from krakenstate.model.identity import fingerprint


class Credential(Model):
    """A key's public and private half; neither prints itself."""

    api_key: SecretStr
    api_secret: SecretStr

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that name the key without revealing it."""
        return fingerprint(self.api_key.get_secret_value())

    @property
    def last_four(self) -> str:
        """The end of the public half, as Kraken's own pages show it."""
        return self.api_key.get_secret_value()[-4:]
