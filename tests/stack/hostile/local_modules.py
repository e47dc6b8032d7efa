"""Imports a module of the project that has the name of a library's, or one of its own."""
import csv, wave
attempt(lambda: __import__("neighbour_module"))
verdict("done" if "planted" in (csv.__dict__ | wave.__dict__) else "refused")
