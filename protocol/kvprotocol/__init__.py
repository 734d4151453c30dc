"""The wire protocol: requests, replies, numbers, error texts, hash slots."""
