"""The site and what makes it. A package, so that no other `docs` on the path comes first."""
