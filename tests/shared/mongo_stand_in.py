"""A stand-in for a MongoDB server, for tests: the wire protocol over TCP, and mongomock-ng behind it.

Several processes with the real driver share one database through it. It is not MongoDB: it has no users, no TLS, no
replica sets and no transactions, uses no index to find anything, and knows what mongomock-ng knows.

As a process of its own it prints its address and serves until it is terminated::

    python tests/shared/mongo_stand_in.py --port 37019 --file data.db

With ``--file`` every change is kept in a file, and is there again after a restart, even after ``kill -9``.
"""

from __future__ import annotations

import argparse
import socket
import socketserver
import struct
import sys
import threading
import time
from pathlib import Path

import bson
from bson import CodecOptions
from mongo_stand_in_commands import Server
from mongo_stand_in_file import KeptFile

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CHECKSUM_PRESENT, MORE_TO_COME = 1, 2
LARGEST_MESSAGE_BYTES = 48_000_000 + 16_384
OPTIONS = CodecOptions(document_class=dict, tz_aware=False)


class Connection(socketserver.BaseRequestHandler):
    """One client's connection: requests in, replies out, until either side ends it."""

    server: Listener

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.open_connections.add(self.request)

    def finish(self):
        self.server.open_connections.discard(self.request)

    def handle(self):
        try:
            while True:
                length, request_id, _, op = struct.unpack("<iiii", self._read(16))
                if op not in (OP_MSG, OP_QUERY) or not 16 <= length <= LARGEST_MESSAGE_BYTES:
                    return  # not our protocol; a TLS handshake for instance
                self._answer(request_id, op, self._read(length - 16))
        except (ConnectionError, OSError):
            return

    def _read(self, count):
        received = bytearray()
        while len(received) < count:
            part = self.request.recv(min(1 << 20, count - len(received)))
            if not part:
                raise ConnectionError
            received += part
        return bytes(received)

    def _answer(self, request_id, op, body):
        if op == OP_MSG:
            flags, command = message_of(body)
            reply = self.server.database.run(command)
            if flags & MORE_TO_COME:
                return
            content = b"\0\0\0\0\0" + bson.encode(reply)
            head = struct.pack("<iiii", 16 + len(content), 0, request_id, OP_MSG)
        else:  # the first greeting only
            start = body.index(b"\0", 4) + 9
            (size,) = struct.unpack_from("<i", body, start)
            command = bson.decode(body[start : start + size], OPTIONS)
            content = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self.server.database.run(command))
            head = struct.pack("<iiii", 16 + len(content), 0, request_id, OP_REPLY)
        self.request.sendall(head + content)


def message_of(body):
    """Flags and command of an OP_MSG, with its document sequences put in place."""
    (flags,) = struct.unpack_from("<I", body)
    end = len(body) - (4 if flags & CHECKSUM_PRESENT else 0)
    at, command, sequences = 4, {}, {}
    while at < end:
        kind = body[at]
        at += 1
        (size,) = struct.unpack_from("<i", body, at)
        if kind == 0:
            command = bson.decode(body[at : at + size], OPTIONS)
        else:
            name_end = body.index(b"\0", at + 4)
            documents = bson.decode_all(body[name_end + 1 : at + size], OPTIONS)
            sequences[body[at + 4 : name_end].decode()] = documents
        at += size
    return flags, command | sequences


class Listener(socketserver.ThreadingTCPServer):
    """Listens on this machine only, with a thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, database):
        self.database = database
        self.open_connections = set()
        super().__init__(("127.0.0.1", port), Connection)

    @property
    def uri(self):
        return f"mongodb://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        import traceback

        traceback.print_exc()

    def disconnect(self):
        """End all connections, as a server does that stops."""
        for connection in list(self.open_connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def end_with(stream, listener):
    """Stop when whoever started this process is gone: its end of the pipe is then closed."""
    while stream.read(1):
        pass
    listener.shutdown()


def drop_idle_cursors(database):
    while True:
        time.sleep(60)
        database.drop_idle_cursors()


def main():
    parser = argparse.ArgumentParser(description="A stand-in for a MongoDB server, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--file", type=Path, help="keep everything in this file")
    parser.add_argument("--locked", action="store_true", help="let nobody in, as a server with other passwords")
    parser.add_argument("--until-stdin-closes", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print every command and how it ended")
    given = parser.parse_args()
    database = Server(KeptFile(given.file) if given.file else None, locked=given.locked, verbose=given.verbose)
    with Listener(given.port, database) as listener:
        print(listener.uri, flush=True)
        threading.Thread(target=drop_idle_cursors, args=(database,), daemon=True).start()
        if given.until_stdin_closes:
            threading.Thread(target=end_with, args=(sys.stdin, listener), daemon=True).start()
        try:
            listener.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
