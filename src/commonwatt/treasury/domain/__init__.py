"""Words of the treasury: accounts, bonds, a country, its debt and the shocks to it."""
