"""The write path: commands in, events or refusals out."""
