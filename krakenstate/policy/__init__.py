"""Rules over a plan and the stack it comes from."""
