"""A small network of real hosts, so that tests never have to pretend a packet was dropped."""
