"""Notices what was done to our workflows by somebody who reached Temporal, and raises the alarm."""
