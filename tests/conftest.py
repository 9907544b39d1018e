"""What holds for every test."""

from hypothesis import settings

# A machine that is busy with other things is no bug: no example has to be fast on its own.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
