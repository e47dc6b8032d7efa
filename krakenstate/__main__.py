"""``python -m krakenstate``."""

from krakenstate.cli.front import main

main()
