"""The ask, the signed decision, the second factor, and whether they suffice."""
