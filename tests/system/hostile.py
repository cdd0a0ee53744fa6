"""An HTTP server in threads that does what a well-behaved gateway never would, and remembers every request that reached it."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time


class Request:
    """What came in, byte for byte where that matters."""

    def __init__(self, head, body, connection):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, self.version = lines[0].split(" ", 2)
        self.lines = lines[1:]
        self.headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in self.lines)}
        self.body = body
        self.connection = connection  # the number of its connection
        self.at = time.time()

    @property
    def json(self):
        return json.loads(self.body)


class Answer:
    """Bytes to send, or an iterable of such, and then to close the connection or keep it."""

    def __init__(self, data, close=False, after_sec=0.0):
        self.data, self.close, self.after_sec = data, close, after_sec


def http(body=b"", status=200, headers=(), **options):
    """A whole HTTP/1.1 answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return Answer("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, **options)


class Hostile:
    """Serves routes: the first part of a path → an Answer, or a function of the Request that returns one (None: the connection
    is closed without a word)."""

    def __init__(self, routes=None, certificate=None):
        self.routes = routes if routes is not None else {}
        self.requests = []
        self.connections = 0
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, route):
        """The requests that came for a route."""
        return [request for request in list(self.requests) if request.path.split("/")[1] == route]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection, number):
        with contextlib.suppress(OSError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection if not self.tls else self.tls.wrap_socket(connection, server_side=True) as stream:
                rest = b""
                while True:
                    request, rest = self._read(stream, rest, number)
                    if not request:
                        return
                    self.requests.append(request)
                    answer = self.routes.get(request.path.split("/")[1], http(b"", 404))
                    answer = answer(request) if callable(answer) else answer
                    if answer is None:
                        return
                    time.sleep(answer.after_sec)
                    for data in [answer.data] if isinstance(answer.data, bytes) else answer.data:
                        stream.sendall(data)
                    if answer.close:
                        return

    @staticmethod
    def _read(stream, data, number):
        while b"\r\n\r\n" not in data:
            more = stream.recv(65536)
            if not more:
                return None, b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        request = Request(head, b"", number)
        size = int(request.headers.get("content-length", "0"))
        while len(body) < size:
            more = stream.recv(65536)
            if not more:
                return None, b""
            body += more
        request.body = body[:size]
        return request, body[size:]

    def stop(self):
        """No further connection is taken."""
        # Closing alone would leave the thread in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificate(directory, name, host="IP:127.0.0.1"):
    """A certificate of this host that vouches for itself; the paths of certificate and key."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Authority:
    """Vouches for others."""

    def __init__(self, directory, name):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate, self.key = make_certificate(self.directory, f"authority-{name}")
        (self.directory / "index").touch()
        (self.directory / "config").write_text(f"""
            [ca]\ndefault_ca = us
            [us]\ndatabase = {self.directory}/index\nnew_certs_dir = {self.directory}\nrand_serial = yes\ndefault_md = sha256\npolicy = any
            unique_subject = no
            [any]\ncommonName = supplied""", encoding="ascii")

    def certify(self, name, host="IP:127.0.0.1", from_day=-1, to_day=1):
        """A certificate of this host, good between two days, counted from now; the paths of certificate and key."""
        certificate, key, request, more = (self.directory / f"{name}.{end}" for end in ("crt", "key", "csr", "more"))
        more.write_text(f"subjectAltName = {host}\n", encoding="ascii")
        subprocess.run(["openssl", "req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request], check=True, capture_output=True)
        first, last = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + day * 86400)) for day in (from_day, to_day))
        subprocess.run(["openssl", "ca", "-batch", "-notext", "-config", self.directory / "config", "-cert", self.certificate, "-keyfile", self.key,
                        "-startdate", first, "-enddate", last, "-extfile", more, "-in", request, "-out", certificate], check=True, capture_output=True)
        return certificate, key
