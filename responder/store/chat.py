"""The tables of Slack: cards, buttons and what was heard."""
