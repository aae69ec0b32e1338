"""Evidence: what was taken, in which order, who touched it, and the vault it is kept in."""
