"""What the program costs, beside what the machine could do at best in the same run."""
