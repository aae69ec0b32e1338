"""What the demo lets run beside the runner; started by path, so standard library only."""
