"""The verbs, as Temporal activities, written once for every action and every provider."""
