"""Facts in, rows out: what the reads are answered from. No sockets, no store."""
