"""Changes: what may be asked for, and how an ask becomes events."""
