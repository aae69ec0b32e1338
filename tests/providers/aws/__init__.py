"""Providers of AWS, against an emulator over HTTP."""
