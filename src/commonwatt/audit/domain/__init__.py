"""Words of an audit: intervals with open ends, and periods as statistics write them."""
