"""Tests that the repository has of the same model."""


def test_ones_and_sevens_are_not_left_behind(robust_attack, robust_data):
    result = robust_attack("pgd:steps=10")
    few = (robust_data.y == 1) | (robust_data.y == 7)
    assert result.robust[few].mean() > result.accuracy - 0.15
