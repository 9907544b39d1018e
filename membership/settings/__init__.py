"""
The settings of one agent.

Everything is read once, checked whole and frozen. A key that nobody knows is refused, because a
misspelt key that is ignored is a setting that silently stays at its default.
"""

from membership.settings.loading import load_settings
from membership.settings.model import ConfigurationError, Settings

__all__ = ["ConfigurationError", "Settings", "load_settings"]
