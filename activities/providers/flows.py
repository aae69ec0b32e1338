"""Ending the connections that a Linux host has open with a network."""

# Dropped packets only stall a connection: it would go on when the block ends. `ss -K` resets those
# of the host itself (Linux 4.9 and later, ss(8)); conntrack(8) forgets those that it forwards.
# $network has its prefix even if single: ss takes the end of a bare IPv6 address for a port.
END_FLOWS = """\
{ ss -tuK dst "$network" & conntrack -D -s "$network" & conntrack -D -d "$network"; wait; } >/dev/null 2>&1
true
"""
