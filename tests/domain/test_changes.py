"""What may be done to peers, services and licences that are here already."""

import pytest

from membership.domain.changes import (
    active_peer,
    install_license,
    leave,
    readdress,
    register_service,
    remove,
    remove_service,
    rename,
)
from membership.domain.errors import (
    CannotRemoveLocalPeer,
    InvalidField,
    LicenseInvalid,
    PeerNotFound,
    PreconditionFailed,
    ServiceNotFound,
)
from membership.domain.events import (
    Event,
    LicenseRenewed,
    PeerDeactivated,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    ServiceRemoved,
)
from membership.domain.license import License, license_of
from membership.domain.values import Address, ClusterId, PeerId, PublicKey, UnixUs
from tests.domain.histories import (
    ANN,
    BOB,
    CLUSTER_ID,
    ISSUER,
    LOCAL,
    START_US,
    added,
    address_of,
    cluster_of,
    created,
    given,
    id_of,
    key_of,
    left,
    license_with,
    licensed,
    record_of,
    refused,
    renamed,
    service_id_of,
    serving,
)

GONE = (
    (added(ANN), PeerRemoved(peer_id=ANN.peer_id)),
    (added(ANN), left(record_of("ann", 2, left=True))),
    (left(record_of("ann", 2, left=True)),),
    (),
)
"""Four ways not to be an active peer."""
ANOTHER_ISSUER = PublicKey(b"an issuer that nobody trusts yet")


def _label(before: str, after: str, peer_id: PeerId = ANN.peer_id) -> PeerRenamed:
    return PeerRenamed(peer_id=peer_id, before=before, after=after)


# Names


def test_a_remote_peer_gets_a_label() -> None:
    assert rename(given(added(ANN)), ANN.peer_id, "cellar", None) == [_label("", "cellar")]
    ann = given(added(ANN), _label("", "cellar")).peers[ANN.peer_id]
    assert (ann.name, ann.label, ann.own_name) == ("cellar", "cellar", "")
    assert (ann.version, ann.subject_version, ann.record) == (2, 1, ANN.signed)


def test_the_local_peer_gets_a_name_of_its_own() -> None:
    cluster = given()
    assert rename(cluster, LOCAL, "here", None) == [_label("", "here", LOCAL)]
    local = given(_label("", "here", LOCAL)).local
    assert (local.name, local.label, local.own_name) == ("here", "", "here")
    assert (local.version, local.subject_version) == (2, 2)


@pytest.mark.parametrize("name", [None, "cellar"])
def test_no_name_or_the_same_changes_nothing(name: str | None) -> None:
    assert rename(given(added(ANN, label="cellar")), ANN.peer_id, name, None) == []
    assert rename(given(added(record_of("ann", called="cellar"))), ANN.peer_id, name, None) == []
    assert rename(given(_label("", "cellar", LOCAL)), LOCAL, name, None) == []


def test_a_label_that_is_taken_back_shows_the_peers_own_name() -> None:
    named = added(record_of("ann", called="Ann"), label="cellar")
    assert rename(given(named), ANN.peer_id, "", None) == [_label("cellar", "")]
    assert given(named, _label("cellar", "")).peers[ANN.peer_id].name == "Ann"
    unlabelled = given(added(record_of("ann", called="Ann")))
    assert rename(unlabelled, ANN.peer_id, "", None) == [], "there is no label to take back"


def test_a_label_may_hold_on_to_the_peers_present_name() -> None:
    named = (added(record_of("ann", called="Ann"), label="cellar"), _label("cellar", "Ann"))
    assert rename(given(named[0]), ANN.peer_id, "Ann", None) == [_label("cellar", "Ann")]
    moved_on = renamed(record_of("ann", 2, called="Anna"), before="Ann")
    assert given(*named, moved_on).peers[ANN.peer_id].name == "Ann"


def test_names_need_not_differ() -> None:
    cluster = given(added(ANN, label="cellar"), added(BOB))
    assert rename(cluster, BOB.peer_id, "cellar", None) == [_label("", "cellar", BOB.peer_id)]


# Conditions


def test_a_version_that_the_caller_saw_has_to_be_the_present_one() -> None:
    cluster = given(added(ANN), _label("", "cellar"))
    assert rename(cluster, ANN.peer_id, "attic", 2)
    assert remove(cluster, ANN.peer_id, 2)
    for seen in (1, 3):
        with refused(PreconditionFailed, expected_version=seen, version=2):
            rename(cluster, ANN.peer_id, "attic", seen)
        with refused(PreconditionFailed, expected_version=seen, version=2):
            rename(cluster, ANN.peer_id, None, seen)
        with refused(PreconditionFailed, expected_version=seen, version=2):
            remove(cluster, ANN.peer_id, seen)


@pytest.mark.parametrize("history", GONE)
def test_who_is_gone_or_was_never_there_is_not_found(history: tuple[Event, ...]) -> None:
    cluster = given(*history, added(BOB))
    with refused(PeerNotFound, peer_id=ANN.peer_id):
        active_peer(cluster, ANN.peer_id)
    with refused(PeerNotFound, peer_id=ANN.peer_id):
        rename(cluster, ANN.peer_id, "cellar", 9)
    with refused(PeerNotFound, peer_id=ANN.peer_id):
        remove(cluster, ANN.peer_id, 9)
    for source, target in (("ann", "bob"), ("bob", "ann")):
        with refused(PeerNotFound, peer_id=ANN.peer_id):
            register_service(cluster, service_id_of(1), "x", id_of(source), id_of(target))


# Out


def test_a_remote_peer_is_removed_and_its_seat_is_free() -> None:
    assert remove(given(added(ANN)), ANN.peer_id, None) == [PeerRemoved(peer_id=ANN.peer_id)]
    cluster = given(added(ANN), PeerRemoved(peer_id=ANN.peer_id))
    assert cluster.seat_by_address == {address_of("local"): LOCAL}
    assert cluster.seat_by_key == {key_of("local"): LOCAL}
    ann = cluster.peers[ANN.peer_id]
    assert ann.ended_at_us == ann.changed_at_us > ann.created_at_us


def test_the_local_peer_is_not_removed() -> None:
    for expected_version in (None, 1, 9):
        with refused(CannotRemoveLocalPeer, peer_id=LOCAL):
            remove(given(), LOCAL, expected_version)


def test_the_local_peer_leaves_once() -> None:
    named = _label("", "here", LOCAL)
    farewell = PeerDeactivated(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=address_of("local"),
        name="here",
        subject_version=3,
        record=b"",
    )
    assert leave(given(named, added(ANN))) == [farewell]
    gone = given(named, added(ANN), farewell)
    assert (gone.local.version, gone.local.subject_version) == (3, 3)
    assert leave(gone) == []
    with refused(PeerNotFound, peer_id=LOCAL):
        rename(gone, LOCAL, "back", None)


# Elsewhere


def test_the_local_peer_is_moved_by_its_settings_once() -> None:
    away = Address("elsewhere.example:1")
    move = PeerReaddressed(peer_id=LOCAL, before=address_of("local"), after=away)
    assert readdress(given(), away) == [move]
    assert readdress(given(move), away) == []
    assert given(move).local.subject_version == 2
    assert readdress(given(*leave(given())), away) == []


# Services


def test_a_service_joins_two_peers_in_either_direction_and_more_than_once() -> None:
    first, second = serving(1, "local", "ann"), serving(2, "ann", "local")
    cluster = given(added(ANN))
    assert register_service(cluster, first.service_id, "backup", LOCAL, ANN.peer_id) == [first]
    cluster = given(added(ANN), first)
    assert register_service(cluster, second.service_id, "backup", ANN.peer_id, LOCAL) == [second]


def test_a_service_needs_two_peers_and_a_name() -> None:
    cluster = given(added(ANN))
    with refused(InvalidField, field="target_peer_id"):
        register_service(cluster, service_id_of(1), "x", LOCAL, LOCAL)
    with refused(InvalidField, field="name"):
        register_service(cluster, service_id_of(1), "", LOCAL, ANN.peer_id)


def test_a_service_is_removed_whether_its_peers_are_there_or_not() -> None:
    for history in ((added(ANN),), GONE[0]):
        cluster = given(added(BOB), *history, serving(1, "bob", "ann"))
        expected = [ServiceRemoved(service_id=service_id_of(1))]
        assert remove_service(cluster, service_id_of(1)) == expected
    cluster = given(added(ANN), serving(1, "local", "ann"), *expected)
    with refused(ServiceNotFound, service_id=service_id_of(1)):
        remove_service(cluster, service_id_of(1))


# Licences


def _renewed(license_: License) -> LicenseRenewed:
    return LicenseRenewed(**{name: getattr(license_, name) for name in License.__slots__})


def test_the_first_licence_pins_its_issuer() -> None:
    first = license_with(issuer=ANOTHER_ISSUER)
    bare = cluster_of(created())
    assert install_license(bare, first, frozenset()) == [licensed(issuer=ANOTHER_ISSUER)]
    pinned = cluster_of(created(), licensed(issuer=ANOTHER_ISSUER))
    with pytest.raises(LicenseInvalid, match="issuer is not trusted"):
        install_license(pinned, license_with(revision=2), frozenset())


def test_configured_issuers_decide_alone() -> None:
    trusted, bare = frozenset({ANOTHER_ISSUER}), cluster_of(created())
    with pytest.raises(LicenseInvalid, match="issuer is not trusted"):
        install_license(bare, license_with(), trusted)
    assert install_license(bare, license_with(issuer=ANOTHER_ISSUER), trusted)
    with pytest.raises(LicenseInvalid, match="issuer is not trusted"):
        install_license(given(), license_with(revision=2), trusted)
    both = frozenset({ANOTHER_ISSUER, ISSUER})
    assert install_license(given(), license_with(revision=2), both)


def test_a_renewal_replaces_all_but_what_the_cluster_is_known_by() -> None:
    renewal = license_with(
        revision=3, customer="New", max_nodes=1, expires_at_us=UnixUs(START_US + 1)
    )
    assert install_license(given(), renewal, frozenset()) == [_renewed(renewal)]
    cluster = given(added(ANN), _renewed(renewal))
    assert cluster.license == renewal == license_of(_renewed(renewal))
    assert len(cluster.seat_by_key) == 2, "whoever is in stays in"


def test_the_present_licence_again_changes_nothing() -> None:
    assert install_license(given(), license_with(), frozenset()) == []


def test_a_licence_does_not_go_back_or_elsewhere() -> None:
    cluster = given(revision=2)
    for revision in (1, 2):
        with pytest.raises(LicenseInvalid, match=f"revision {revision} is not above the present 2"):
            install_license(cluster, license_with(revision=revision, max_nodes=99), frozenset())
    other = ClusterId(CLUSTER_ID[::-1])
    with pytest.raises(LicenseInvalid, match="another cluster"):
        install_license(cluster, license_with(revision=3, cluster_id=other), frozenset())
