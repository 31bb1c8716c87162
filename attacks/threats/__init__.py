"""Families of threat models, one file each: the inputs that an attacker may use in place of x."""
