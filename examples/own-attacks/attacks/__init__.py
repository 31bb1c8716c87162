"""The attacks of this repository. The plugin's own are `robust.attacks`, so that the names do not meet."""
