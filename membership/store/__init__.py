"""The log: events as bytes, appended in transactions, read back in order."""
