"""Histories of workflows as they ran, replayed against the code as it is now."""
