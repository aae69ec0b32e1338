"""What comes next, and when: the three kinds of workflow, and how they call the verbs. Pure."""
