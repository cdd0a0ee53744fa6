"""An SMTP server in threads that says what a test wants it to say, and remembers what was said to it."""

import contextlib
import email
import email.policy
import select
import socket
import ssl
import threading

CLOSE = object()  # the connection ends without a word
HANG = object()  # not a word, and the connection stays until the client ends it
RESET = object()  # it ends as where a server crashed

USUAL = {"greeting": "220 mail.test ESMTP", "ehlo": "250-mail.test\r\n250-SIZE 1000000\r\n250 8BITMIME", "starttls": "220 go ahead",
         "auth": "235 2.7.0 welcome", "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok", "data": "354 go on", "end": "250 2.0.0 queued as 4711"}


class Session:
    """One connection: its commands, whether it was secured, who logged in, and the mails of which every byte came."""

    def __init__(self):
        self.commands, self.mails = [], []
        self.is_secure = False
        self.user = None


class Mail:
    """What came between DATA and the dot."""

    def __init__(self, sender, recipient, raw):
        self.sender, self.recipient, self.raw = sender, recipient, raw
        self.parsed = email.message_from_bytes(raw, policy=email.policy.default)

    @property
    def text(self):
        """What a person reads, with line ends as Python has them."""
        return self.parsed.get_content().replace("\r\n", "\n")


class MailServer:
    """script: what is said when instead of the usual, or a function that returns it; "body": said in the middle of the content."""

    def __init__(self, certificate=None, is_secure=False, **script):
        self.script = {**USUAL, **script}
        self.sessions = []
        self.is_secure = is_secure  # from the first byte on
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        if "body" in script:
            # What a client has handed to the kernel is sent, as far as it can know: so little room that the end stays with it.
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'smtps' if is_secure else 'smtp'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mails(self):
        return [mail for session in list(self.sessions) for mail in session.mails]

    @property
    def commands(self):
        return [command for session in list(self.sessions) for command in session.commands]

    def stop(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                session = Session()
                self.sessions.append(session)
                threading.Thread(target=self._serve, args=(connection, session), daemon=True).start()

    def _serve(self, connection, session):
        stream = connection
        with contextlib.suppress(OSError, ValueError, EOFError):
            if self.is_secure:
                stream = self.tls.wrap_socket(connection, server_side=True)
                session.is_secure = True
            reader = stream.makefile("rb")
            self._say(stream, "greeting")
            sender = recipient = None
            while line := reader.readline():
                command = line.decode("latin-1").rstrip("\r\n")
                session.commands.append(command)
                verb = command.split(" ")[0].split(":")[0].lower()
                if verb == "quit":
                    stream.sendall(b"221 bye\r\n")
                    break
                if verb == "starttls":
                    self._say(stream, "starttls")
                    stream = self.tls.wrap_socket(connection, server_side=True)
                    session.is_secure = True
                    reader = stream.makefile("rb")
                    continue
                if verb == "auth":
                    if command == "AUTH PLAIN":
                        stream.sendall(b"334 \r\n")
                        session.user = reader.readline().rstrip()
                    self._say(stream, "auth")
                    continue
                if verb == "mail":
                    sender = command.partition(":")[2]
                if verb == "rcpt":
                    recipient = command.partition(":")[2]
                self._say(stream, verb)
                if verb == "data" and self._spoken(verb).startswith("354"):
                    raw = self._read(stream, reader)
                    session.mails.append(Mail(sender, recipient, raw))
                    self._say(stream, "end")
        with contextlib.suppress(OSError):
            stream.close()
            connection.close()

    def _spoken(self, when):
        words = self.script[when]
        return words if isinstance(words, str) else ""

    def _read(self, stream, reader):
        """Up to the line with the dot, with the dots that were doubled made single. EOFError: it never came."""
        lines, size = [], 0
        while True:
            line = reader.readline()
            if not line:
                raise EOFError
            if line == b".\r\n":
                return b"".join(lines)
            size += len(line)
            lines.append(line[1:] if line.startswith(b".") else line)
            if "body" in self.script and size > 1000:
                self._say(stream, "body")
                while reader.readline():
                    pass
                raise EOFError

    def _say(self, stream, when):
        words = self.script.get(when, "502 what?")
        words = words() if callable(words) else words
        if words is HANG:
            gone = select.poll()
            gone.register(stream, select.POLLRDHUP)
            gone.poll()
        if words is RESET:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if not isinstance(words, str):
            raise EOFError
        stream.sendall(words.encode("latin-1") + b"\r\n")
