"""
How an agent comes into being: identity, licence, first events.

The database is created first and the first events are committed last. Between the two a crash
leaves an identity with an empty log, which the next start completes. An identity *without* a
database is something else: somebody deleted the log, and an agent that began to count its
versions anew would contradict everything it ever signed. That is refused.
"""

from base64 import b32encode
from dataclasses import dataclass, field
from pathlib import Path

from membership.api.credentials import new_credential
from membership.commands.licensing import (
    LicenseDocument,
    encode_license,
    issue_license,
    parse_license,
)
from membership.commands.messages import CreateLocalPeer, ObserveRecord, Receipt, Request
from membership.domain.errors import InvalidAddress
from membership.domain.identity import peer_id_for
from membership.domain.license import US_PER_DAY, License
from membership.domain.values import (
    Address,
    ClusterId,
    PublicKey,
    StreamId,
    UnixUs,
    parse_address,
)
from membership.peering.records import open_record
from membership.proof.signing import SEED_BYTES, Signer
from membership.settings import ConfigurationError, Settings
from membership.store.data_directory import (
    AlreadyInitialised,
    DataDirectory,
    DataDirectoryUnusable,
    Identity,
)
from membership.store.event_store import EventStore
from membership.store.sqlite import SQLiteRecorder
from membership.system import SystemClock, SystemIds, SystemRandomness
from membership.wiring.core import Key, Nature, Replayed, replay
from membership.wiring.retirement import retire

EVALUATION_MAX_NODES = 100
EVALUATION_DAYS = 365
LICENSE_SECRET_BYTES = 32
CLIENT_SECRET_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCredential:
    """What the first client asks for tokens with; the secret is shown once."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """
    An agent was created.

    Attributes:
        retired: Where the files of the former identity are, if there was one.
    """

    peer_id: str
    data_dir: Path
    cluster_id: str
    license_is_evaluation: bool
    credential: FirstCredential
    retired: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A data directory with an agent in it; *credential* is set when it was created just now."""

    replayed: Replayed
    key: Key
    license_is_evaluation: bool
    credential: FirstCredential | None


def system_nature() -> Nature:
    """Return the real clock, identifiers and randomness."""
    return Nature(clock=SystemClock(), ids=SystemIds(), randomness=SystemRandomness())


def initialise(settings: Settings, *, new_identity: bool = False) -> Initialised:
    """
    Create an agent in the settings' data directory. Blocking.

    Raises:
        AlreadyInitialised: There is one, and *new_identity* was not asked for or it is a member.
        DataDirectoryError, ConfigurationError, LicenseInvalid: As their messages say.
    """
    directory = DataDirectory(settings.data_dir)
    with directory.locked():
        directory.finish_retirement()
        is_replaced = new_identity and directory.is_initialised
        retired = retire(directory, settings, system_nature()) if is_replaced else None
        opened = open_agent(directory, settings, advertised_address(settings))
        opened.replayed.store.close()
    local = opened.replayed.views.peers.local
    if opened.credential is None:
        raise AlreadyInitialised(settings.data_dir, local.peer_id)
    return Initialised(
        peer_id=local.peer_id,
        data_dir=settings.data_dir,
        cluster_id=opened.replayed.views.license.cluster_id.hex(),
        license_is_evaluation=opened.license_is_evaluation,
        credential=opened.credential,
        retired=retired,
    )


def advertised_address(settings: Settings, bound_port: int | None = None) -> Address:
    """
    Return the address that others reach this agent at.

    Raises:
        ConfigurationError: The settings leave it open.
    """
    if settings.advertise is not None:
        return settings.advertise
    host, _, port = settings.listen.rpartition(":")
    try:
        return parse_address(f"{host}:{bound_port or port}")
    except InvalidAddress:
        message = (
            f"listening on {settings.listen} does not tell others where to find this agent; "
            "give its address with --advertise host:port"
        )
        raise ConfigurationError(message) from None


def open_agent(directory: DataDirectory, settings: Settings, address: Address) -> Opened:
    """
    Open the agent in a locked directory, creating it if there is none. Blocking.

    Raises:
        DataDirectoryError, StoreError, LicenseInvalid: As their messages say.
    """
    if directory.is_initialised and not directory.database.exists():
        message = (
            f"{directory.database} is missing; restore it from a backup. An agent must not "
            "start over under an identity that others know"
        )
        raise DataDirectoryUnusable(message)
    nature = system_nature()
    store = EventStore(SQLiteRecorder(directory.database))
    try:
        replayed = replay(store, nature, settings.trusted_issuers)
        if replayed.cluster.local_id is None:
            return _create(directory, settings, address, replayed, nature)
        return _reopen(directory, replayed)
    except BaseException:
        store.close()
        raise


def _reopen(directory: DataDirectory, replayed: Replayed) -> Opened:
    if not directory.is_initialised:
        message = (
            f"{directory.database} is there without its identity.json; restore that file from "
            "a backup, or move the database away to start anew"
        )
        raise DataDirectoryUnusable(message)
    identity = directory.read_identity()
    local, signer = replayed.cluster.local, Signer(identity.seed)
    if (local.peer_id, local.public_key) != (identity.peer_id, signer.public_key):
        message = (
            f"{directory.path}: the log is that of {local.peer_id}, and identity.json that of "
            f"{identity.peer_id}; restore both from the same backup"
        )
        raise DataDirectoryUnusable(message)
    document = parse_license(directory.read_license())
    if document.license.cluster_id != replayed.views.license.cluster_id:
        message = f"{directory.path}: license.json belongs to another cluster than the log"
        raise DataDirectoryUnusable(message)
    return Opened(
        replayed=replayed,
        key=Key(signer=signer, license_secret=document.secret),
        license_is_evaluation=document.license.issuer == local.public_key,
        credential=None,
    )


def _create(
    directory: DataDirectory,
    settings: Settings,
    address: Address,
    replayed: Replayed,
    nature: Nature,
) -> Opened:
    given = _given_license(directory, settings)
    identity = _identity(directory, nature)
    signer = Signer(identity.seed)
    document = given or _evaluation_license(signer, nature)
    directory.write_license(encode_license(document))
    credential = FirstCredential(
        client_id=nature.ids.new_ulid(),
        client_secret=b32encode(nature.randomness.token(CLIENT_SECRET_BYTES)).decode().lower(),
    )
    command = CreateLocalPeer(
        peer_id=identity.peer_id,
        public_key=PublicKey(signer.public_key),
        address=address,
        name=settings.name,
        license=document.license,
        credential=new_credential(
            StreamId(credential.client_id), "first credential", ("admin",), credential.client_secret
        ),
    )
    farewells = [ObserveRecord(record=open_record(signed)) for signed in directory.farewells()]
    requests = [Request(command), *(Request(farewell) for farewell in farewells)]
    processed = replayed.processor.process(requests)
    for outcome in processed.outcomes:
        if not isinstance(outcome, Receipt):
            raise outcome
    replayed.views.apply(processed.events)
    return Opened(
        replayed=replayed,
        key=Key(signer=signer, license_secret=document.secret),
        license_is_evaluation=given is None,
        credential=credential,
    )


def _identity(directory: DataDirectory, nature: Nature) -> Identity:
    if directory.is_initialised:
        return directory.read_identity()
    seed = nature.randomness.token(SEED_BYTES)
    public_key = PublicKey(Signer(seed).public_key)
    identity = Identity(peer_id=peer_id_for(public_key, nature.clock.now_us()), seed=seed)
    directory.write_identity(identity)
    return identity


def _given_license(directory: DataDirectory, settings: Settings) -> LicenseDocument | None:
    if settings.license_file is not None:
        return read_license_file(settings.license_file)
    # A new identity comes back to the cluster that the one before it left.
    former = directory.retired_license()
    return None if former is None else parse_license(former)


def _evaluation_license(signer: Signer, nature: Nature) -> LicenseDocument:
    now_us = nature.clock.now_us()
    draft = License(
        license_id=nature.ids.new_ulid(),
        revision=1,
        customer="evaluation",
        issued_at_us=now_us,
        expires_at_us=UnixUs(now_us + EVALUATION_DAYS * US_PER_DAY),
        max_nodes=EVALUATION_MAX_NODES,
        issuer=PublicKey(signer.public_key),
        cluster_id=ClusterId(b""),
        signature=b"",
    )
    return issue_license(signer, draft, nature.randomness.token(LICENSE_SECRET_BYTES))


def read_license_file(path: Path) -> LicenseDocument:
    """Return the licence in a file; raises `ConfigurationError`, `LicenseInvalid`."""
    try:
        return parse_license(path.read_bytes())
    except OSError as error:
        message = f"the licence file {path} cannot be read: {error.strerror}"
        raise ConfigurationError(message) from None
