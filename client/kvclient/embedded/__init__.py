"""The node's engine in the client's own process: `Client.embedded()`, `AsyncClient.embedded()`.

The only package of the client that knows the server, and loaded only by those who ask for it.
"""
