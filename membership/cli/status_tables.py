"""
How an agent stands, as people read it.

One line a peer, those with a trouble first; below the table each trouble in words, because why a
peer cannot be reached does not fit a column, and because nobody finds one line among fifty.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from membership.cli.output import details, table, to_the_second
from membership.cli.plain_text import printable
from membership.client import ClusterStatus, Introduction, LicenseUsage, PeerStanding

_LICENSE_STYLES = {"valid": "green", "warning": "yellow", "grace": "yellow", "read_only": "red"}
_LICENSE_WARNINGS = {
    "warning": "The licence ends in {days} days. Start the agent with a renewed one: --license.",
    "grace": "The licence has ended. When its days of grace are over the agent turns read-only.",
    "read_only": "The licence has ended. The agent refuses every change until it has a new one.",
}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def render(answer: ClusterStatus) -> Group:
    """Return the agent's own lines, what is wrong with it, its peers, and their troubles."""
    parts: list[RenderableType] = [_own(answer)]
    for block in (list(_warnings(answer)), _peers(answer), list(_troubles(answer))):
        if block:
            parts += [Text(), *block]
    return Group(*parts)


def _own(answer: ClusterStatus) -> Table:
    peer = answer.peer
    return details(
        {
            "agent": f"{peer.name or '-'} ({peer.id})",
            "state": Text("active", "green") if peer.is_active else Text("has left", "yellow"),
            "address": peer.address,
            "cluster": answer.cluster_id,
            "licence": _license(answer.license),
            "log": f"position {answer.log_position}, own version {peer.version}",
            "digest": answer.digest,
            "software": answer.software,
        }
    )


def _license(usage: LicenseUsage) -> Text:
    words = usage.state.replace("_", "-")
    return Text(
        f"{printable(words)}, {usage.nodes} of {usage.max_nodes} nodes, expires "
        f"{to_the_second(usage.expires_at)} UTC (in {usage.days_left} days)",
        _LICENSE_STYLES.get(usage.state, ""),
    )


def _warnings(answer: ClusterStatus) -> Iterator[Text]:
    health = answer.health
    if health.identity_conflict:
        yield Text(f"IDENTITY CONFLICT: {printable(health.identity_conflict)}.", "bold red")
    if health.is_cut_off:
        yield Text("This agent hears of nobody: look at its own network first.", "bold red")
    if health.is_slow:
        yield Text(
            f"This agent is slow: it was up to {_duration(health.loop_lag_ms)} late in the last "
            "half minute. What it says of others may be its own doing.",
            "yellow",
        )
    if answer.license.state in _LICENSE_WARNINGS:
        words = _LICENSE_WARNINGS[answer.license.state]
        style = _LICENSE_STYLES[answer.license.state]
        yield Text(words.format(days=answer.license.days_left), style)


def _peers(answer: ClusterStatus) -> Sequence[Table | Text]:
    if not answer.peers:
        return [Text("No peers yet. Add one: membership peers add HOST:PORT")]
    headings = ("PEER", "REACHABLE", "SEEN", "RTT", "NEWS", "AGREES")
    rows = [
        (
            peer_name(peer.name, peer.address),
            _yes_or_no(peer.reachable),
            _ago(peer.last_seen, answer.observed_at),
            _duration(peer.round_trip_ms),
            _news(peer, answer.observed_at),
            _yes_or_no(peer.digest_equal),
        )
        for peer in sorted(answer.peers, key=lambda peer: not _is_troubled(peer))
    ]
    return [table(headings, rows, whole=headings[1:])]


def peer_name(name: str, address: str) -> str:
    """Return what to call a peer; a line breaks between the two if it must."""
    return f"{printable(name)} {address}" if name else address


def _is_troubled(peer: PeerStanding) -> bool:
    return bool(peer.last_error) or peer.reachable is False or peer.digest_equal is False


def _yes_or_no(value: bool | None) -> Text:  # noqa: FBT001  it is the datum
    match value:
        case None:
            return Text("?", "dim")
        case True:
            return Text("yes", "green")
        case False:
            return Text("no", "red")


def _news(peer: PeerStanding, now: str) -> Text:
    if not peer.is_behind:
        return Text("heard", "green")
    return Text(f"untold {_ago(peer.undelivered_since, now)}", "yellow")


def _ago(instant: str | None, now: str) -> str:
    """Return how long before *now* an instant was, in its greatest unit: `12 min`."""
    if instant is None:
        return "-"
    elapsed = datetime.fromisoformat(now) - datetime.fromisoformat(instant)
    elapsed_s = max(0, int(elapsed.total_seconds()))
    for unit_s, unit in _UNITS:
        if elapsed_s >= unit_s:
            return f"{elapsed_s // unit_s} {unit}"
    return f"{elapsed_s} s"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    if milliseconds < 10:  # noqa: PLR2004  two figures are enough
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:.1f} s"  # noqa: PLR2004


def _troubles(answer: ClusterStatus) -> Iterator[Text]:
    for peer in answer.peers:
        if peer.last_error:
            yield Text(f"{peer_name(peer.name, peer.address)}: {_trouble(peer)}", "yellow")
    for introduction in answer.introductions:
        yield Text(_introduction(introduction))


def _trouble(peer: PeerStanding) -> str:
    words = printable(peer.last_error)
    if peer.next_attempt_at is None:
        return words
    times = "once" if peer.attempts == 1 else f"{peer.attempts} times"
    return f"{words}; tried {times}, again at {to_the_second(peer.next_attempt_at)[-8:]} UTC"


def _introduction(introduction: Introduction) -> str:
    who = peer_name(introduction.name, introduction.address)
    words = f"getting acquainted with {who}, as {introduction.introduced_by} suggested"
    if not introduction.last_error:
        return words
    return f"{words}: {printable(introduction.last_error)} (attempt {introduction.attempts})"
