"""Speed, memory and latency beside redis-server, in one run on one machine."""
