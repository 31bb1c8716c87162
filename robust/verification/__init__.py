"""Verify adversarial inputs with code that shares nothing with the attacks."""
