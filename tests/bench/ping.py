"""When the attacker's packets stop being answered: echo requests by the millisecond."""

import socket
import struct
import threading
import time

from tests.lab.namespaces import inside

_EVERY = 0.002


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Pinger:
    """Echo requests (RFC 792) from one address of one host; the kernel of the other answers."""

    def __init__(self, namespace: str | None, source: str, target: str) -> None:
        self._socket = inside(
            namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        )
        self._socket.bind((source, 0))
        self._socket.settimeout(0.001)
        self._target = target
        self._stop = threading.Event()
        self.last_answer = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number = (number + 1) & 0xFFFF
            body = struct.pack("!BBHHH", 8, 0, 0, 7, number)
            packet = struct.pack("!BBHHH", 8, 0, _checksum(body), 7, number)
            self._socket.sendto(packet, (self._target, 0))
            try:
                self._socket.recv(256)
                self.last_answer = time.perf_counter()
            except OSError:
                pass
            self._stop.wait(_EVERY)

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing was answered for that long, after something had been."""
        return self.last_answer > 0 and time.perf_counter() - self.last_answer > seconds

    def close(self) -> None:
        """Stop sending."""
        self._stop.set()
        self._thread.join()
        self._socket.close()
