"""The rules, told as histories."""
