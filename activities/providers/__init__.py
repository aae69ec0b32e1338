"""The only vendor I/O: each provider reads and writes one kind of resource."""
