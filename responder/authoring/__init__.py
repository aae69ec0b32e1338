"""The tools of who writes playbooks: facts, lint, graphs, a beginning, replays. Read from the code, not run."""
