"""Declares a text with half a character in it, which nothing can write down."""
stack.add(Process(name="p", owner="ops\ud800"))
