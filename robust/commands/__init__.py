"""The commands of `robust`, one file each; cli.py reads what they are given."""
