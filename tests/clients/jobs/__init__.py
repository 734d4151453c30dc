"""What the libraries' worker processes import; a worker's PYTHONPATH is this folder alone."""
