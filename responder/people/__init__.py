"""Who: principals, what they may do, and whom an escalation reaches."""
