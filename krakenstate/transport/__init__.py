"""The only room that opens connections to Kraken."""

import sys

# httpx offers a command line of its own, which would import rich into every run. With this entry its import
# fails, and httpx does without, as its __init__ foresees.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how Python spells "not importable"
