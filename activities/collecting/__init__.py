"""Collecting evidence from a running host: the steps, the scripts, and working through them."""
