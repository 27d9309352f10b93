"""The stages of a study, each fed by the one before: fleet, cost, placement, funding."""
