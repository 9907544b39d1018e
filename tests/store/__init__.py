"""The log, in memory and on disk."""
