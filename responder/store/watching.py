"""The tables of the watch: notes, duties to report, and the auditor's own heartbeat."""
