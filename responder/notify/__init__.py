"""Reaching people: channels with receipts, and which of them a message tries, in which order."""
