"""A store that answers as its bucket's name asks, and servers whose certificates are wrong: for what Velero makes of it."""
import http.server
import os
import ssl
import subprocess
import threading

EMPTY = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>x</Name><KeyCount>0</KeyCount></ListBucketResult>'
# The status of each code (AWS, "Error responses").
CODES = {"NoSuchBucket": 404, "PermanentRedirect": 301, "AuthorizationHeaderMalformed": 400, "XAmzContentSHA256Mismatch": 400,
         "ExpiredToken": 400}


class Answers(http.server.BaseHTTPRequestHandler):
    """Bucket list-3: the third code for everything. Bucket put-3: lists as an empty one, and takes nothing."""
    protocol_version = "HTTP/1.1"

    def answer(self):
        how, _, number = self.path.split("/")[1].partition("?")[0].partition("-")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if how == "put" and self.command in ("GET", "HEAD"):
            code, status, text = "", *((200, EMPTY) if "list-type" in self.path else (404, ""))
        else:
            code = self.server.codes[int(number)]
            status, text = CODES.get(code, 403), f"<Error><Code>{code}</Code><Message>as asked</Message></Error>"
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that does not trust it


def serve(codes=(), certificate=None):
    """On a free port; `certificate`: a file with certificate and key."""
    server = Server(("127.0.0.1", 0), Answers)
    server.codes = list(codes)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def certificate(folder, name, subject, days=9):
    """A file with key and certificate, self-signed, for one DNS name or address; negative days: it has expired."""
    path, run = os.path.join(folder, name), lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True)
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=store",
        "-addext", f"subjectAltName={subject}", "-keyout", f"{path}.key", "-out", f"{path}.csr")
    run("x509", "-req", "-in", f"{path}.csr", "-signkey", f"{path}.key", "-days", str(days), "-copy_extensions", "copy",
        "-out", f"{path}.crt")
    with open(f"{path}.pem", "w") as both:
        for part in ("crt", "key"):
            both.write(open(f"{path}.{part}").read())
    return f"{path}.pem"
