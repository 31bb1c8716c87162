"""One pytest run with a model: its settings, its tests, what they found, and what is written and shown."""
