"""Questions asked of connections: names of their fields, and the language of `-Y`."""
