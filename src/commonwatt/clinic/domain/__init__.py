"""Words of the clinic: rules as dated data, fourteen kinds of record and their moves."""
