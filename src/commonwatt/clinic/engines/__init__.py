"""How the clinic computes: evidence, explanations, monitors, examinations and the gate."""
