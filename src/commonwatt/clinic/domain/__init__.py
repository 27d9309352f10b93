"""Words of the clinic: rules as dated data, twelve kinds of record and their moves."""
