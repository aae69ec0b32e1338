"""Where an incident stands by the store: its runs, its clocks, its containment, its board."""
