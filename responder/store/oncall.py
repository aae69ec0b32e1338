"""The tables of being on call."""
