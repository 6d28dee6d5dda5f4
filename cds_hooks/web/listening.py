"""How the processes of a service listen: on one socket, to the same signals."""

import signal
import socket

BACKLOG = 2048
"""Connections that wait to be taken."""
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
"""What the parent waits for, and what waits in a process of its until that listens."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ``OSError`` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
