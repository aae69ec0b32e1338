"""What was decided about leases."""
