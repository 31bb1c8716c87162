"""Families of threat models, one file each: the inputs that an attacker may hand the model in place of x."""
