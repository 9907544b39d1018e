"""The agent's log as others may check it: what it signs about it, and the proofs that it gives."""
