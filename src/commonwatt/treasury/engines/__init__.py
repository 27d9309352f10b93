"""How the treasury computes: projection, fans, rule tables, bonds and project finance."""
