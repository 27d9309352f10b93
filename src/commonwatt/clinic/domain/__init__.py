"""Words of the clinic: rules as dated data, thirteen kinds of record and their moves."""
