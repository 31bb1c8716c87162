"""Loading users' models: from a word on the command line to a module that takes inputs and returns logits."""
