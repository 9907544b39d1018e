"""Logs of each kind there is, empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.logs import Log, Open, open_in_memory, open_on_disk

RECORDERS = [pytest.param(open_in_memory, id="memory"), pytest.param(open_on_disk, id="sqlite")]


@pytest.fixture(params=RECORDERS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Yield an empty log, in memory and on disk."""
    open_recorder: Open = request.param
    log = Log(open_recorder(tmp_path))
    yield log
    log.store.close()


@pytest.fixture
def disk_log(tmp_path: Path) -> Iterator[Log]:
    """Yield an empty log on disk, in `membership.db` of *tmp_path*."""
    log = Log(open_on_disk(tmp_path))
    yield log
    log.store.close()
