"""The console: pages that the server renders, for a browser at a desk or a phone at 3 a.m."""
