"""Loading users' models: from a spec on the command line to a module that takes inputs and returns logits."""
