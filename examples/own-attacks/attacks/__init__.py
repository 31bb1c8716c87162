"""The attacks of this repository. The plugin's attacks are `robust.attacks`, so the names do not collide."""
