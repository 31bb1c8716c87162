"""The words of threat models, one family a file. No torch here: collecting tests reads them, and must stay instant."""
