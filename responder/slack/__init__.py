"""Slack: one card an incident, buttons and commands that decide, and what happens while Slack is down."""
