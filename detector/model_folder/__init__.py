"""Model folders: their files and where they come from, a path, the Hub or the bundled one."""
