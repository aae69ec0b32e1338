"""What the lab's hosts say to each other: an echo service, and connections that are held open."""

import contextlib
import selectors
import socket
import threading
import time

_TICK = 0.02  # seconds between two words on a held connection


class Echo:
    """One thread that sends back whatever it receives, on any number of listening sockets."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker, wake = socket.socketpair()
        self._selector.register(wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="echo", daemon=True)

    def start(self, *listening: socket.socket) -> None:
        """Serve these sockets until `close`."""
        for one in listening:
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ, "listening")
        self._thread.start()

    def close(self) -> None:
        """Close every socket that is served."""
        self._waker.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._waker.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                one = key.fileobj
                if not isinstance(one, socket.socket) or key.data is None:
                    return
                if key.data == "listening":
                    self._welcome(one)
                else:
                    self._answer(one)

    def _welcome(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, "open")

    def _answer(self, connection: socket.socket) -> None:
        try:
            if heard := connection.recv(65536):
                connection.send(heard)
                return
        except BlockingIOError:
            return
        except OSError:  # reset, which is what the tests are after
            pass
        self._selector.unregister(connection)
        connection.close()


class Held:
    """A connection that keeps talking to an echo, and counts what comes back."""

    def __init__(self, connection: socket.socket) -> None:
        self.received = 0
        self.ended = ""
        """Why the connection is over, in the kernel's words; empty while it is not."""
        self._connection = connection
        self._connection.settimeout(_TICK)
        self._closing = False
        self._thread = threading.Thread(target=self._talk, name="held", daemon=True)
        self._thread.start()

    def flows(self, within: float = 1.0) -> bool:
        """Whether more than what was under way comes back within so many seconds."""
        time.sleep(2 * _TICK)
        before, give_up = self.received, time.monotonic() + within
        while time.monotonic() < give_up and not self.ended:
            if self.received > before:
                return True
            time.sleep(_TICK / 4)
        return self.received > before

    def dies(self, within: float) -> bool:
        """Whether the connection is over within so many seconds."""
        self._thread.join(within)
        return bool(self.ended)

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        self._thread.join()
        self._connection.close()

    def _talk(self) -> None:
        while not self._closing:
            try:
                with contextlib.suppress(TimeoutError):
                    self._connection.sendall(b"word")
                with contextlib.suppress(TimeoutError):
                    heard = self._connection.recv(65536)
                    if not heard:
                        self.ended = "closed by the other side"
                        return
                    self.received += len(heard)
            except OSError as error:
                self.ended = error.strerror or str(error)
                return
            time.sleep(_TICK)


def answers(make: socket.socket, address: str, port: int, timeout: float) -> bool:
    """Whether something at *address* takes a connection and says a word on it."""
    with make as connection:
        connection.settimeout(timeout)
        try:
            connection.connect((address, port))
            connection.sendall(b"word\n")
            return bool(connection.recv(16))
        except OSError:
            return False
