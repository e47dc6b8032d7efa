"""Stacks: what people write, and how it becomes plain data."""
