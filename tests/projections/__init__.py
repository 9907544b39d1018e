"""What reads are answered from."""
