"""Signatures and the Merkle log. Pure: bytes in, bytes out."""
