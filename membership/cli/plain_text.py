"""Text of others, such as the names of peers, before it reaches a terminal."""

import unicodedata

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDIRECTIONAL = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return *text* without what moves the cursor, breaks a line or turns the writing round."""
    if text.isprintable():
        return text
    return "".join(
        _REPLACEMENT if character in _BIDIRECTIONAL or _is_control(character) else character
        for character in text
    )


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS
