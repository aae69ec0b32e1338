"""The tables of asking people: whom, when, and how fast they answered."""
