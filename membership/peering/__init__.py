"""The protocol between agents: handshakes, signed records, broadcast."""
