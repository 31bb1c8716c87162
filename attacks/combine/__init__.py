"""Attacks made of attacks, one file each. Those with an option of their name go with every attack: "apgd:targets=9"."""
