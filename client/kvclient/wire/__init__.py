"""What the two shells share: requests in, bytes out; bytes in, replies out. No socket, no clock."""
