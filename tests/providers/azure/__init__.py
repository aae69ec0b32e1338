"""Azure Key Vault's own SDK, against a double of the documented protocol; never against Azure."""
