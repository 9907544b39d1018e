"""Real processes on real sockets, killed for real."""
