"""``python -m krakenstate``."""

from krakenstate.cli.app import main

main()
