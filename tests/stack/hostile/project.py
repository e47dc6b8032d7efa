"""Reads a table of its own project, which it may."""
attempt(lambda: open("data/desks.csv").read())
