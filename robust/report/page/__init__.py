"""Boards as one page of HTML that needs no network and no library, and can be read without JavaScript."""
