"""The whole program, with real parts, from outside."""
