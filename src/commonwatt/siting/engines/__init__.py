"""How siting computes: the levelised cost, its chances and drivers, and the placement."""
