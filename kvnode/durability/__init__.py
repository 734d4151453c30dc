"""What survives a restart: snapshots, the append-only file, the folder they stand in."""
