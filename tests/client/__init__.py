"""The client against kvnode and redis-server."""
