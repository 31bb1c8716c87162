"""Boards as one page of HTML that needs nothing else: no network, no library, and no JavaScript to be read."""
