"""What the treasury reads: country folders, outlooks, rule tables, a centre to finance."""
