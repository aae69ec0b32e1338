"""The contract of every provider: one suite, and a ground for each."""
