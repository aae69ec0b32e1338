"""From the webhook's raw bytes to a delivery that is authentic, parsed and on disk."""
