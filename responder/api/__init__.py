"""What is served over HTTP: webhooks, the API that the CLI and people use, feeds, health, metrics."""
