"""An event-sourced cluster membership service whose history proves itself."""

__version__ = "0.1.0"
