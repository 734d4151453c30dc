"""The same requests to kvnode and to a real redis-server; the replies must be equal."""
