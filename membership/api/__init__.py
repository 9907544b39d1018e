"""HTTP for clients: what comes in is parsed once, what goes out is rendered from a view."""
