"""Where secret material is kept: versions with stages; everybody else sees a version's id."""
