"""Who plays in the demo: names, addresses and what they do. All of it is made up (RFC 5737)."""

from responder.incident import Frozen


class Visitor(Frozen):
    """Somebody who comes to the shop."""

    name: str
    address: str
    guesses: bool
    pace: int
    """Requests a second."""


HOST = "web-1"
SHOP = "203.0.113.10"
MANAGEMENT = "203.0.113.1"
CUSTOMER = Visitor(name="customer", address="203.0.113.20", guesses=False, pace=6)
ATTACKER = Visitor(name="attacker", address="203.0.113.66", guesses=True, pace=10)
ACCOMPLICE = Visitor(name="accomplice", address="203.0.113.77", guesses=True, pace=10)
SCANNER = Visitor(name="scanner", address="203.0.113.88", guesses=False, pace=8)
VISITORS = (CUSTOMER, ATTACKER, ACCOMPLICE, SCANNER)
