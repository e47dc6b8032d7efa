"""Declares something else each time it runs."""
stack.add(Process(name="p", owner=os.urandom(8).hex()))
