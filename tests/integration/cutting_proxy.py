"""A TCP proxy that cuts both sides at a chosen moment: between a commit and its acknowledgement, for instance."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

Cut = Callable[[bytes], bool]


class CuttingProxy:
    """Forwards to 127.0.0.1:port. cuts_before(bytes from the client): cut without forwarding them; cuts_after: forward them, then cut, so that
    the answer never comes back. Both are asked for every piece. `cuts` counts.
    """

    def __init__(self, port: int, *, cuts_before: Cut = lambda data: False, cuts_after: Cut = lambda data: False) -> None:
        self._target = port
        self._before, self._after = cuts_before, cuts_after
        self.cuts = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for source, sink, judged in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pump, args=(source, sink, judged), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, judged: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if judged and self._before(data):
                    self.cuts += 1
                    break
                after = judged and self._after(data)
                if after:  # nothing of the answer may get through
                    self.cuts += 1
                    with contextlib.suppress(OSError):
                        source.shutdown(socket.SHUT_RDWR)
                sink.sendall(data)
                if after:
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for end in self._open:
            end.close()
