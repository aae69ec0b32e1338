"""May this plan run, must whom be asked, or never: pure rules over typed data."""
