"""Everything that holds `responder` to its promises."""
