"""From an action's names to the resources that must carry it: one module a kind of action."""
