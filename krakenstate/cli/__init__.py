"""The command line: one command per file, and the composition root."""
