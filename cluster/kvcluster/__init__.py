"""What spreads keys over several nodes."""
