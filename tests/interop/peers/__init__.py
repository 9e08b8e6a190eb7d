"""The real peers: an Action Cable server, an AnyCable server, and the JavaScript clients."""
