"""Questions about connections: the names of their fields, and the language of `-Y`."""
