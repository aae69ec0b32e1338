"""Keys, sealed bytes, Temporal's payloads, and signatures."""
