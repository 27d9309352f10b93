"""Who asks, and how they proved it: accounts, sessions, single sign-on, signing keys."""
