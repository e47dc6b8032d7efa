"""Tools for people who work on krakenstate; no part of the program."""
