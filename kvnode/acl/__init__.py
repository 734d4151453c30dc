"""Access control: users, what they may run, and the log of what they were refused."""
