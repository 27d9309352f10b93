"""What siting reads: the library of dated cells, and hourly series of regions."""
