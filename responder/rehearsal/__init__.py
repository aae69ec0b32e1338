"""Rehearsing: a playbook run whole on a Temporal that skips time, against a world that is only imagined."""
