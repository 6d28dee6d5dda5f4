"""Calls that go to the process of a service that has least to do, whichever took their connection.

A connection stays with the process that took it, and of a few that never close one process may have most. So how many
calls each has in hand stands in memory that all share, and a call that would wait is handed, whole, to one that has
fewer; only its answer comes back.
"""

import asyncio
import contextlib
import mmap
import pickle
import socket
from collections.abc import Awaitable, Callable
from typing import Any

_AWAY = 255
"""In the place of a process that takes no calls."""

_WORTH = 2
"""How many fewer a process has to have to be handed a call: that costs as much as a twentieth of one."""
_PART_BYTES = 1 << 20
_CUT_OFF = (OSError, EOFError, pickle.UnpicklingError)
"""What a process that dies in the middle of a call comes to at the other."""

Answered = Callable[[Any], Awaitable[object]]
"""Answers what was handed over."""


class Siblings:
    """The processes of a service, each at a place of its own: to be made before they are forked."""

    def __init__(self, count: int) -> None:
        self.in_hand = memoryview(mmap.mmap(-1, count))
        self.in_hand[:] = bytes([_AWAY]) * count
        self.doors = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(count)]
        for door in self.doors:
            for end in door:
                end.setblocking(False)

    def gone(self, place: int) -> None:
        """Hand nothing to a process that died. What was handed to it and not taken waits for the next at its place."""
        self.in_hand[place] = _AWAY

    def close(self) -> None:
        """Let go of what they are reached by."""
        for door in self.doors:
            for end in door:
                end.close()


class Place:
    """The processes of a service as the one at place *number* sees them."""

    def __init__(self, siblings: Siblings, number: int) -> None:
        self._in_hand = siblings.in_hand
        self._doors = siblings.doors
        self._number = number
        self._open = False
        self._handed: set[asyncio.Task[None]] = set()

    def tell(self, in_hand: int) -> None:
        """Say how many calls this process has in hand."""
        if self._open:
            self._in_hand[self._number] = min(in_hand, _AWAY - 1)

    def open(self, answered: Answered) -> None:
        """Take calls from now on, which *answered* answers in the running loop."""
        self._open = True
        self.tell(0)
        asyncio.get_running_loop().add_reader(self._doors[self._number][0], self._take, answered)

    def leave(self) -> None:
        """Be handed no more."""
        self._open = False
        self._in_hand[self._number] = _AWAY

    async def finish(self, seconds: float) -> None:
        """Wait until all that was handed over is answered, or for so many *seconds*."""
        if self._handed:
            await asyncio.wait(self._handed, timeout=seconds)

    def freer(self, in_hand: int) -> int | None:
        """A place where no call is in hand, or clearly fewer than *in_hand*; ``None`` where there is none."""
        if not in_hand:
            return None
        counts = self._in_hand.tolist()
        fewest = min(counts)
        return counts.index(fewest) if in_hand - fewest >= (_WORTH if fewest else 1) else None

    async def ask(self, place: int, call: object) -> Any:
        """What the process at another *place* answers to a *call*; ``None`` where it died meanwhile."""
        self._in_hand[place] = min(self._in_hand[place] + 1, _AWAY - 1)  # until it says so itself
        mine, theirs = socket.socketpair()
        mine.setblocking(False)
        with mine, contextlib.suppress(*_CUT_OFF):
            said = memoryview(pickle.dumps(call))
            with theirs:
                begun = mine.send(said)  # at once, mostly all: whenever the loop looks, it waits for who computes
                socket.send_fds(self._doors[place][1], [b"call"], [theirs.fileno()])
            await asyncio.get_running_loop().sock_sendall(mine, said[begun:])
            mine.shutdown(socket.SHUT_WR)
            if answer := await _all(mine):
                return pickle.loads(answer)  # of a process forked from the same parent
        return None

    def _take(self, answered: Answered) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                for line in socket.recv_fds(self._doors[self._number][0], 8, 1)[1]:
                    task = asyncio.ensure_future(_answer(socket.socket(fileno=line), answered))
                    self._handed.add(task)
                    task.add_done_callback(self._handed.discard)


async def _all(line: socket.socket) -> bytes:
    loop, parts = asyncio.get_running_loop(), []
    while part := await loop.sock_recv(line, _PART_BYTES):
        parts.append(part)
    return b"".join(parts)


async def _answer(line: socket.socket, answered: Answered) -> None:
    line.setblocking(False)
    with line, contextlib.suppress(*_CUT_OFF):
        answer = pickle.dumps(await answered(pickle.loads(await _all(line))))
        await asyncio.get_running_loop().sock_sendall(line, answer)
