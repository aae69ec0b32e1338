"""Tests of what is noticed when somebody reaches Temporal who should not."""
