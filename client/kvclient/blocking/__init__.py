"""The blocking flavour, generated from the asynchronous one by `make client`."""
