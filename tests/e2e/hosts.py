"""
Machines on a network of their own: namespaces of the kernel, joined by a router in this process.

A host is a network namespace with one TUN interface, and the other end of each interface is here.
Whatever one host sends to another passes through `Router`, which loses, delays and cuts as a test
says, one direction at a time. So agents speak TCP through the kernel's own stack, with its
timeouts and its retransmissions, over a network that is as bad as wanted.

`tc netem` does much of this where the kernel has it, which the kernels of containers and small
virtual machines mostly do not; a TUN interface nearly all have. And nothing is left behind: a
namespace ends with the last process in it and the last descriptor of it, however a test ends.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import aiohttp

SUBNET = "10.77.0"
PORT = 8080
_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_IFF_UP_AND_RUNNING = 0x41
_PACKET_BYTES = 65_536
_DESTINATION = slice(16, 20)
_LIBC = ctypes.CDLL(None, use_errno=True)


class NoNetworks(Exception):
    """This machine does not let a test make networks; the message says why."""


@dataclass(slots=True)
class Host:
    """
    One machine.

    Attributes:
        address: Its IP address.
        interface: The router's end of its network interface.
    """

    address: str
    namespace: int
    interface: int

    @property
    def command_prefix(self) -> Sequence[str]:
        """What to put before a command to run it there."""
        return ("nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}")

    def connector(self) -> aiohttp.TCPConnector:
        """Return a connector for requests that are made there, and so never cross the network."""

        def socket_there(address: tuple[object, ...]) -> socket.socket:
            with _inside(self.namespace):
                family, kind, protocol = address[:3]
                assert isinstance(family, int)
                assert isinstance(kind, int)
                assert isinstance(protocol, int)
                made = socket.socket(family, kind, protocol)
            made.setblocking(False)
            return made

        return aiohttp.TCPConnector(socket_factory=socket_there)


@dataclass(slots=True)
class Router:
    """
    Joins hosts; an async context manager.

    Attributes:
        loss: The probability that a packet is lost.
        delay_s: How long each packet takes, one way.
        cut: Pairs (from, to) of hosts whose packets do not arrive.
        carried: How many packets arrived.
    """

    chance: random.Random
    loss: float = 0.0
    delay_s: float = 0.0
    cut: set[tuple[str, str]] = field(default_factory=set)
    carried: int = 0
    hosts: dict[bytes, Host] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for host in self.hosts.values():
            loop.remove_reader(host.interface)
            os.close(host.interface)
            os.close(host.namespace)
        self.hosts.clear()

    def add_host(self) -> Host:
        """Return a new host that reaches all others; raises `NoNetworks`."""
        address = f"{SUBNET}.{len(self.hosts) + 1}"
        host = _make_host(address)
        self.hosts[socket.inet_aton(address)] = host
        asyncio.get_running_loop().add_reader(host.interface, self._forward, host)
        return host

    def part(self, some: Sequence[Host], others: Sequence[Host]) -> None:
        """Cut both directions between two sides."""
        for one in some:
            for other in others:
                self.cut |= {(one.address, other.address), (other.address, one.address)}

    def heal(self) -> None:
        """Let everything through, at once."""
        self.cut.clear()
        self.loss = self.delay_s = 0.0

    def _forward(self, sender: Host) -> None:
        with contextlib.suppress(BlockingIOError):
            packet = os.read(sender.interface, _PACKET_BYTES)
            receiver = self.hosts.get(packet[_DESTINATION])
            if receiver is None or self._is_lost(sender, receiver):
                return
            # Never written at once: a packet that arrives in no time at all would overtake others.
            asyncio.get_running_loop().call_later(self.delay_s, self._deliver, receiver, packet)

    def _is_lost(self, sender: Host, receiver: Host) -> bool:
        is_cut = (sender.address, receiver.address) in self.cut
        return is_cut or self.chance.random() < self.loss

    def _deliver(self, receiver: Host, packet: bytes) -> None:
        if receiver.interface in {host.interface for host in self.hosts.values()}:
            with contextlib.suppress(BlockingIOError):
                os.write(receiver.interface, packet)
                self.carried += 1


def _make_host(address: str) -> Host:
    if shutil.which("nsenter") is None:
        message = "there is no nsenter, of util-linux"
        raise NoNetworks(message)
    with contextlib.ExitStack() as undone:
        try:
            with _inside(None):
                namespace = _own_namespace()
                undone.callback(os.close, namespace)
                interface = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                undone.callback(os.close, interface)
                request = struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI)
                fcntl.ioctl(interface, _TUNSETIFF, request)
                _set_up(address)
        except OSError as error:
            message = f"a namespace with a TUN interface cannot be made: {error.strerror}"
            raise NoNetworks(message) from None
        undone.pop_all()
    return Host(address, namespace, interface)


@contextlib.contextmanager
def _inside(namespace: int | None) -> Iterator[None]:
    """Put this thread into a network namespace, or a new one, for a moment without an await."""
    home = _own_namespace()
    try:
        if namespace is None:
            _check(_LIBC.unshare(_CLONE_NEWNET))
        else:
            _check(_LIBC.setns(namespace, _CLONE_NEWNET))
        try:
            yield
        finally:
            _check(_LIBC.setns(home, _CLONE_NEWNET))
    finally:
        os.close(home)


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _set_up(address: str) -> None:
    """Give the interface its address, and start it and the loopback one (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for call, text in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            internet_address = struct.pack(
                "16sHH4s16x", b"tun0", socket.AF_INET, 0, socket.inet_aton(text)
            )
            fcntl.ioctl(any_socket, call, internet_address)
        for name in (b"lo", b"tun0"):
            flags = struct.pack("16sH22x", name, _IFF_UP_AND_RUNNING)
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, flags)
