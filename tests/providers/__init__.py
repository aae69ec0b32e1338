"""Providers against real hosts: what they say they did is what packets then meet."""
