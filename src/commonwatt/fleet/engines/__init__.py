"""How the fleet computes: the simulator, packing to a load, energy, metrics, explanations."""
