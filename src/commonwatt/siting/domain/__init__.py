"""Words of siting: cost inputs and their distributions, cooling, the placement problem."""
