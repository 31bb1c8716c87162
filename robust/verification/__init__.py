"""Verify adversarial inputs, by code that shares nothing with the attacks."""
