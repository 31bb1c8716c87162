"""Exact answers for tiny networks, in float64 and numpy: what attacks and certificates are compared with.

They share no code with what they judge. A network is a list of layers (weight, bias), with a ReLU between two layers.
"""
