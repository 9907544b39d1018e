"""
How an agent stands, as people read it.

One line a peer, the worst first, because nobody finds one line among fifty; below the table the
reasons in words, because they fit no column, each with the peers that it is true of.
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
            "peers": _summary(answer.peers),
            "log": f"position {answer.log_position}, own version {peer.version}",
            "digest": answer.digest,
            "software": answer.software,
        }
    )


def _summary(peers: Sequence[PeerStanding]) -> Text:
    counts = {
        "not reachable": sum(peer.reachable is False for peer in peers),
        "with news to hear": sum(peer.is_behind for peer in peers),
        "not agreeing": sum(peer.digest_equal is False for peer in peers),
    }
    troubles = [f"{count} {words}" for words, count in counts.items() if count]
    return Text(", ".join([str(len(peers)), *troubles]), "yellow" if troubles else "green")


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
        for peer in sorted(answer.peers, key=_wellness)
    ]
    return [table(headings, rows, whole=headings[1:])]


def peer_name(name: str, address: str) -> str:
    """Return what to call a peer; a line breaks between the two if it must."""
    return f"{printable(name)} {address}" if name else address


def _wellness(peer: PeerStanding) -> int:
    if peer.reachable is False:
        return 0
    return 1 if peer.last_error or peer.digest_equal is False else 2


def _yes_or_no(value: bool | None) -> Text:  # noqa: FBT001  it is the datum
    match value:
        case None:
            return Text("?", "dim")
        case True:
            return Text("yes", "green")
        case False:
            return Text("no", "red")


def _news(peer: PeerStanding, now: str) -> Text:
    if peer.undelivered_since is None:
        return Text("heard", "green")
    return Text(f"untold {_between(peer.undelivered_since, now)}", "yellow")


def _ago(instant: str | None, now: str) -> str:
    return "-" if instant is None else f"{_between(instant, now)} ago"


def _between(earlier: str, later: str) -> str:
    """Return the time from one instant to another, in its greatest unit: `12 min`."""
    elapsed = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
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
    by_reason: dict[str, list[PeerStanding]] = {}
    for peer in answer.peers:
        if peer.last_error:
            by_reason.setdefault(peer.last_error, []).append(peer)
    for reason, peers in by_reason.items():
        yield Text(f"{printable(reason)}:", "yellow")
        for peer in peers:
            yield Text(f"  {peer_name(peer.name, peer.address)}{_next(peer, answer.observed_at)}")
    for introduction in answer.introductions:
        yield Text(_introduction(introduction))


def _next(peer: PeerStanding, now: str) -> str:
    if peer.next_attempt_at is None:
        return ""
    attempts = "1 attempt" if peer.attempts == 1 else f"{peer.attempts} attempts"
    return f", {attempts}, next in {_between(now, peer.next_attempt_at)}"


def _introduction(introduction: Introduction) -> str:
    who = peer_name(introduction.name, introduction.address)
    words = f"getting acquainted with {who}, as {introduction.introduced_by} suggested"
    if not introduction.last_error:
        return words
    return f"{words}: {printable(introduction.last_error)} (attempt {introduction.attempts})"
