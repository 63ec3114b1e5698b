"""The HTTP server against clients that mean no good, over a unix socket and TCP.

Run by meson with the test server and `fast` or `patient` (the cases that wait for time to pass);
by hand also with the names of cases.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from wire import TOKEN, Client, Closed, Server

ND = "Content-Type: application/x-ndjson\r\n"


def both(server):
    """A client of each kind, with the header that lets it in; each made when it is needed."""
    yield server.unix(), ""
    yield server.tcp(), TOKEN


def refused(server, data, statuses=(400,), closes=True, tcp=False):
    """Sends raw bytes; the server must answer with one of the statuses and stay well."""
    with server.tcp() if tcp else server.unix() as client:
        client.send(data)
        reply = client.reply()
        assert reply.status in statuses, (data, reply.status, reply.body)
        if closes:
            assert client.is_closed(), data
    with server.unix() as client:
        assert client.ask("GET", "/hello").status == 200, data
    return reply


# ---- what should work


def requests_follow_each_other_on_one_connection():
    with Server() as server:
        for client, who in both(server):
            with client:
                for number in range(50):
                    reply = client.ask("GET", f"/show/{number}?a=1&b", who)
                    assert reply.status == 200 and f"id={number}\n".encode() in reply.body
                    assert b"a=1\nb=\n" in reply.body
                    body = b"x" * (number * 997)
                    assert client.ask("POST", "/echo", who, body).body == body


def pipelined_requests_are_answered_in_order():
    with Server() as server:
        for client, who in both(server):
            with client:
                count = 200
                data = ""
                for number in range(count):
                    kind = ("show/%d", "later?ms=%d", "stream?count=%d")[number % 3]
                    path = kind % (number if number % 3 == 0 else number % 5)
                    data += f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n"
                client.send(data)
                for number in range(count):
                    reply = client.reply()
                    assert reply.status == 200
                    if number % 3 == 0:
                        assert f"id={number}\n".encode() in reply.body
                    elif number % 3 == 1:
                        assert reply.body == b"later\n"
                    else:
                        assert len(reply.body) == 16 * (number % 5)


def late_replies_come_in_any_order():
    with Server() as server:
        clients = [server.unix() for _ in range(50)]
        for number, client in enumerate(clients):
            client.send(f"GET /later?ms={(50 - number) * 4} HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in reversed(clients):
            assert client.reply().body == b"later\n"
            client.sock.close()
        counts = server.wait(lambda counts: counts["connections"] == 1)
        assert counts["waiting"] == 0 and counts["data"] == counts["data_freed"] == 50


def a_head_is_answered_like_a_get_without_the_body():
    with Server() as server, server.unix() as client:
        for path in ("/hello", "/later", "/nowhere", "/stream?count=3"):
            get = client.ask("GET", path)
            head = client.ask("HEAD", path)
            assert head.status == get.status
            assert head.headers.get("content-length") == get.headers.get("content-length")
        assert client.is_closed()  # after a stream that is not sent
        assert server.counts()["streams_done"] == 2


def every_reply_has_the_headers_that_keep_browsers_out():
    with Server() as server, server.tcp() as client:
        for path in ("/hello", "/nowhere", "/later", "/stream?count=1"):
            headers = client.ask("GET", path, TOKEN).headers
            assert headers["x-content-type-options"] == "nosniff", headers
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "access-control-allow-origin" not in headers
        assert "x-bad" not in client.ask("GET", "/hello", TOKEN).headers


def a_http_1_0_client_is_served_and_closed():
    with Server() as server:
        for path, body in (("/hello", b'{"hello": true}\n'),
                           ("/stream?count=2", b"x" * 15 + b"\n")):
            with server.unix() as client:
                client.send(f"GET {path} HTTP/1.0\r\n\r\n")
                while client.more():
                    pass
                assert client.buffer.endswith(b"\r\n\r\n" + body * (1 + ("count" in path)))


def a_wrong_path_or_method_says_so():
    with Server() as server, server.unix() as client:
        assert client.ask("GET", "/nowhere").code() == "no-such-path"
        for path in ("/hello/", "/hello/x", "/show", "/show/", "/show/1/of", "//hello", "/"):
            assert client.ask("GET", path).status == 404, path
        reply = client.ask("DELETE", "/show/1")
        assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD, POST"
        assert client.ask("POST", "/hello", "", b"{}").headers["allow"] == "GET, HEAD"
        for method in ("OPTIONS", "TRACE", "CONNECT", "PUT", "BREW", "get"):
            assert client.ask(method, "/echo").status == 405, method
        assert client.ask("GET", "/silent").code() == "internal"
        assert client.ask("GET", "/hello").status == 200


# ---- who, and from where


def the_socket_says_which_user_asks():
    with Server() as server, server.unix() as client:
        assert f"unix=1 uid={os.getuid()}\n".encode() in client.ask("GET", "/show/1").body


def another_user_may_connect_and_is_known():
    if os.getuid() != 0:
        return  # only root can become another user
    with Server() as server:
        os.chmod(server.folder.name, 0o755)
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65533)
            with server.unix() as client:
                body = client.ask("GET", "/show/1").body
            os._exit(0 if b"unix=1 uid=65533\n" in body else 1)
        assert os.waitpid(child, 0)[1] == 0


def tcp_needs_the_right_token():
    with Server() as server, server.tcp() as client:
        assert client.ask("GET", "/health").status == 200
        wrong = ["", "Authorization: Bearer\r\n", "Authorization: Bearer \r\n",
                 "Authorization: the-token\r\n", "Authorization: Basic the-token\r\n",
                 "Authorization: Bearer the-toke\r\n", "Authorization: Bearer the-tokenn\r\n",
                 "Authorization: Bearer THE-TOKEN\r\n", "Authorization: Bearer  the-token\r\n",
                 "Authorization: Bearer the-token, the-token\r\n", "X-Authorization: the-token\r\n"]
        for header in wrong:
            reply = client.ask("GET", "/hello", header)
            assert reply.status == 401 and reply.code() == "not-known", header
            assert reply.headers["www-authenticate"] == "Bearer"
        for header in (TOKEN, "authorization: bearer the-token\r\n",
                       "AUTHORIZATION: BEARER the-token \t\r\n"):
            assert client.ask("GET", "/hello", header).status == 200, header
        other = "Authorization: Bearer the-other-token\r\n"
        assert client.ask("GET", "/hello", other).status == 403
        # A token of one request is not the next one's.
        assert client.ask("GET", "/hello").status == 401


def a_body_is_not_read_from_whoever_is_not_let_in():
    with Server(tcp=True) as server, server.tcp() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
                    "Content-Length: 4000000\r\n\r\n")
        status, _ = client.head()
        assert status == 401


def a_host_that_is_not_ours_is_refused_on_tcp():
    with Server() as server, server.tcp() as client:
        for host in ("localhost", "LOCALHOST:7070", "127.0.0.1", f"127.0.0.1:{server.port}",
                     "[::1]",
                     "[::1]:1", "pool.example:80"):
            assert client.ask("GET", "/hello", TOKEN, host=host).status == 200, host
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "",
                     ":7070",
                     "127.0.0.1:7070@evil.example", "localhost:80:80", "localhost:evil", "[::1]x",
                     "[::1", "127.0.0.2", "evil.example:7070", "localhost/", "[::2]", "a b"):
            reply = client.ask("GET", "/hello", TOKEN, host=host)
            assert reply.status == 421 and reply.code() == "wrong-host", host
        client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n" + TOKEN + "\r\n")
        assert client.reply().status == 400
    with Server() as server, server.unix() as client:
        assert client.ask("GET", "/hello", host="anything.example").status == 200


def a_page_of_another_site_is_refused():
    with Server() as server:
        for client, who in both(server):
            with client:
                for origin, status in (("http://localhost", 200), ("https://localhost", 200),
                                       ("HTTP://LOCALHOST", 200), ("null", 403), ("", 403),
                                       ("http://evil.example", 403), ("http://localhost:1", 403),
                                       ("http://localhost.evil.example", 403), ("localhost", 403),
                                       ("http://", 403), ("ftp://localhost", 403),
                                       ("http://localhost, http://evil.example", 403)):
                    reply = client.ask("GET", "/hello", f"{who}Origin: {origin}\r\n")
                    assert reply.status == status, (origin, reply.status)
                reply = client.ask("GET", "/hello", who + "Origin: http://127.0.0.1:7070\r\n",
                                   host="127.0.0.1:7070")
                assert reply.status == 200


def a_body_that_a_form_could_send_is_refused():
    with Server() as server, server.unix() as client:
        for kind, status in (("application/json", 200), ("application/yaml", 200), ("", 200),
                             ("text/plain", 415), ("TEXT/PLAIN; charset=utf-8", 415),
                             ("multipart/form-data; boundary=x", 415),
                             ("application/x-www-form-urlencoded", 415)):
            header = f"Content-Type: {kind}\r\n" if kind else ""
            assert client.ask("POST", "/echo", header, b"{}").status == status, kind


# ---- bytes that are not right


def a_request_that_can_be_read_in_two_ways_is_refused():
    start = "POST /echo HTTP/1.1\r\nHost: x\r\n"
    with Server() as server:
        for rest in ("Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
                     "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
                     "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
                     "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                     "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                     "Transfer-Encoding:\r\n\r\n", "Content-Length : 2\r\n\r\nab",
                     "Host: y\r\n\r\n", "Content-Length: 2\r\n X: y\r\n\r\nab",
                     "Expect: 200-ok\r\nContent-Length: 2\r\n\r\nab"):
            refused(server, start + rest)
        # Here libmicrohttpd writes its head twice before it closes.
        for length in ("-1", "+2", "0x2", "2,2", "2 2", "two", "1e3", ""):
            refused(server, f"{start}Content-Length: {length}\r\n\r\nab", closes=False)
        for length in ("18446744073709551616", "99999999999999999999999"):
            refused(server, f"{start}Content-Length: {length}\r\n\r\nab", (400, 413), False)


def bad_chunks_are_refused():
    start = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Server() as server:
        for rest in ("x\r\n", "-1\r\nab\r\n", "2\r\nabX\r\n0\r\n\r\n", "\r\n", " 2\r\nab\r\n",
                     "0x2\r\nab\r\n", "2\r\nabcd\r\n", ";x\r\n"):
            refused(server, start + rest)
        refused(server, start + "fffffffffffffffff\r\n", (400, 413))
        with server.unix() as client:
            client.send(start + "2;name=value\r\nab\r\n3\r\ncde\r\n0\r\nX-Trailer: y\r\n\r\n")
            assert client.reply().body == b"abcde"
            client.send(start + "8000000000000000\r\nab")


def control_characters_are_refused():
    with Server() as server:
        for byte in list(range(0, 9)) + list(range(14, 32)) + [11, 12, 127]:
            char = chr(byte)
            statuses = (400, 404, 405, 505)
            refused(server, f"GET /hello HTTP/1.1\r\nHost: x\r\nX-A: a{char}b\r\n\r\n"
                    if byte else "GET /he\0llo HTTP/1.1\r\nHost: x\r\n\r\n", statuses, False)
            refused(server, f"GET /hel{char}lo HTTP/1.1\r\nHost: x\r\n\r\n", statuses, False)
            refused(server, f"GE{char}T /hello HTTP/1.1\r\nHost: x\r\n\r\n", statuses, False)
            refused(server, f"GET /hello HTTP/1.1\r\nHost: x\r\nX{char}A: b\r\n\r\n", statuses,
                    False)
        # After a NUL nothing of the line is believed.
        refused(server, "GET /hello?a=1\0&b=2 HTTP/1.1\r\nHost: x\r\n\r\n", (400,), False)
        refused(server, "GET /hello\0?b=2 HTTP/1.1\r\nHost: x\r\n\r\n", (400,), False)


def lines_that_are_no_request_are_refused_or_cut_off():
    with Server() as server:
        for data in ("GET\r\n\r\n", "GET /hello\r\n\r\n", "GET /hello HTTP/2.0\r\n\r\n",
                     "GET /hello HTTP/0.9\r\n\r\n", "GET /hello FTP/1.1\r\n\r\n",
                     "\x16\x03\x01\r\n\r\n",
                     "GET  /hello HTTP/1.1\r\nHost: x\r\n\r\n",
                     "GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
                     "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello HTTP/1.1\r\n\r\n",
                     "GET http://x/hello HTTP/1.1\r\nHost: x\r\n\r\n",
                     "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
                     "GET /hello#x HTTP/1.1\r\nHost: x\r\n\r\n",
                     "GET /hello HTTP/1.1\r\nnothing\r\n\r\n",
                     "GET /hello HTTP/1.1\r\n: x\r\nHost: x\r\n\r\n",
                     " GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with server.unix() as client:
                client.send(data)
                try:
                    reply = client.reply()
                    assert reply.status in (400, 505), (data, reply.status)
                except Closed as closed:
                    assert closed.args[0] == b"", (data, closed)
                assert client.is_closed(), data
        assert server.counts()["requests"] == 0


def escapes_do_not_hide_anything():
    with Server() as server, server.unix() as client:
        for path in ("/hello%", "/hello%2", "/hello%zz", "/show/%00", "/show/a%0ab", "/show/%ff",
                     "/show/%c0%af", "/show/%7f", "/show/1?a=%00", "/show/1?%=1", "/show/1?a=%f",
                     "/show/%ed%a0%80", "/show/1?a=%1b[2J"):
            assert client.ask("GET", path).code() == "bad-request", path
            client = server.unix()
        assert b"id=a/b\n" in client.ask("GET", "/show/a%2Fb").body
        assert b"id=..\n" in client.ask("GET", "/show/%2e%2e").body
        assert b"id=a?b&c\n" in client.ask("GET", "/show/a%3Fb%26c").body
        assert b"id=a+b\n" in client.ask("GET", "/show/a+b").body
        assert b"id=%41\n" in client.ask("GET", "/show/%2541").body
        assert b"a=1&b=2\n" in client.ask("GET", "/show/1?a=1%26b%3D2").body
        assert b"a b=c d\n" in client.ask("GET", "/show/1?a+b=c%20d").body
        assert "id=\u00e9\n".encode() in client.ask("GET", "/show/%c3%a9").body
        for path in ("/%68ello/x", "/../hello", "/show/1/../../hello", "/./hello", "/hello%2f"):
            assert client.ask("GET", path).status == 404, path
        assert client.ask("GET", "/show/1?" + "&".join(["a=1"] * 32)).status == 200
        assert client.ask("GET", "/show/1?" + "&".join(["a=1"] * 33)).status == 400


def too_long_a_target_or_head_is_refused():
    with Server() as server:
        with server.unix() as client:
            assert client.ask("GET", "/show/" + "a" * 4000).status == 200
        refused(server, "GET /show/" + "a" * 70000 + " HTTP/1.1\r\nHost: x\r\n\r\n", (414,))
        refused(server, "GET /hello HTTP/1.1\r\nHost: x\r\nX: " + "a" * 70000 + "\r\n\r\n", (431,))
        many = "".join(f"X-{n}: y\r\n" for n in range(5000))
        refused(server, "GET /hello HTTP/1.1\r\nHost: x\r\n" + many + "\r\n", (431,))
        for size in (3000, 5000, 6000, 7000, 8000, 14000):  # more than there is memory for
            client = server.unix()
            client.send("GET /hello?" + "&a" * size + " HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert client.reply().status in (400, 414, 431)
            except Closed:
                pass
            client.sock.close()
        with server.unix() as client:
            assert client.ask("GET", "/hello").status == 200


# ---- bodies


def a_body_may_be_as_long_as_the_limit_and_no_longer():
    limit = 100000
    with Server(body=limit) as server:
        for client, who in both(server):
            with client:
                for size, status in ((0, 200), (1, 200), (limit - 1, 200), (limit, 200),
                                     (limit + 1, 413), (limit * 5, 413), (limit, 200)):
                    reply = client.ask("POST", "/echo", who, b"b" * size)
                    assert reply.status == status, (size, reply.status)
                    assert status != 200 or len(reply.body) == size
                for size, status in ((limit - 1, 200), (limit, 200), (limit + 1, 413)):
                    client.send(f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{who}"
                                "Transfer-Encoding: chunked\r\n\r\n")
                    client.send(b"%x\r\n%s\r\n7\r\n%s\r\n0\r\n\r\n"
                                % (size - 7, b"c" * (size - 7), b"d" * 7))
                    assert client.reply().status == status, size


def a_huge_body_is_refused_before_it_has_come():
    with Server(body=1000) as server:
        for client, who in both(server):
            with client:
                client.send(f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{who}"
                            f"Content-Length: {1 << 40}\r\n\r\n")
                try:
                    for _ in range(64):
                        client.send(b"x" * 65536)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                assert client.reply().status == 413
                assert client.is_closed()
        with server.unix() as client:  # without end, in chunks
            client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(4096):
                    client.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert client.reply().status == 413
        assert server.rss_kib() < 200 * 1024


def all_bodies_together_have_a_limit():
    with Server(bodies=1 << 20) as server:
        halves = []
        for _ in range(4):  # 256 KiB each, and not all of it comes
            client = server.unix()
            client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n"
                        + b"x" * 262000)
            halves.append(client)
        server.wait(lambda counts: counts["connections"] == 5)
        with server.unix() as client:
            while (reply := client.ask("POST", "/echo", "", b"y" * 2000)).status == 200:
                pass
            assert reply.status == 503 and reply.code() == "overloaded"
            assert client.ask("POST", "/lines", ND, b"line\n" * 1000).status == 200  # needs none
        for client in halves:
            client.send(b"x" * 144)
            assert len(client.reply().body) == 262144
            assert client.ask("POST", "/echo", "", b"y" * 2000).status in (200, 503)
            client.sock.close()
        with server.unix() as client:
            assert client.ask("POST", "/echo", "", b"y" * 262144).status == 200


def a_client_that_asks_whether_to_go_on_is_told():
    with Server(body=1000) as server, server.unix() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\n")
        assert client.head()[0] == 100
        client.send("abc")
        assert client.reply().body == b"abc"
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 3000\r\n\r\n")
        assert client.head()[0] == 413
    with Server() as server, server.unix() as client:
        client.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\n")
        assert client.head()[0] == 404


def lines_are_handed_out_as_they_come():
    with Server() as server:
        lines = 0
        for client, who in both(server):
            with client:
                lines += 5
                reply = client.ask("POST", "/lines", who + ND, b"a\n\nbb\r\nccc")
                assert reply.body == b"lines=4\n"
                client.send(f"POST /lines HTTP/1.1\r\nHost: localhost\r\n{who}{ND}"
                            "Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
                server.wait(lambda counts: counts["lines"] == lines)
                lines += 1
                client.send("2\r\ntw\r\n2\r\no\n\r\n0\r\n\r\n")
                assert client.reply().body == b"lines=2\n"
        counts = server.counts()
        assert counts["lines"] == 12 and counts["line_bytes"] == 2 * (1 + 2 + 3 + 3 + 3)
        with server.unix() as client:  # no lines without the type
            assert client.ask("POST", "/lines", "", b"a\nb\n").body == b"lines=0\n"


def a_line_may_be_as_long_as_the_limit_and_no_longer():
    limit = 1 << 20
    with Server() as server:
        for size, end, status in ((limit - 1, b"\n", 200), (limit, b"\n", 200),
                                  (limit, b"\r\n", 200),
                                  (limit, b"", 200), (limit + 1, b"\n", 413), (limit + 1, b"", 413),
                                  (limit + 1, b"\r\n", 413), (limit + 5000, b"\n", 413)):
            with server.unix() as client:
                reply = client.ask("POST", "/lines", ND, b"a\n" + b"b" * size + end)
                assert reply.status == status, (size, end, reply.status, reply.body)
                assert status == 200 or "line 2 " in reply.json()["error"]["message"]


def bodies_of_lines_have_no_limit_and_take_no_room():
    with Server(body=1000) as server, server.unix() as client:
        count = 100000
        body = b"x" * 99 + b"\n"
        before = server.rss_kib()
        reply = client.ask("POST", "/lines", ND, body * count)
        assert reply.body == b"lines=%d\n" % count
        assert server.rss_kib() - before < 20 * 1024


def a_pause_holds_the_lines_back():
    with Server() as server:
        for client, who in both(server):
            with client:
                body = b"".join(b"%d\n" % number for number in range(100))
                for pause in (1, 3, 100):
                    reply = client.ask("POST", f"/lines?pause={pause}&ms=1", who + ND, body)
                    assert reply.body == b"lines=100\n", pause
        with server.unix() as client:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            client.send(f"POST /lines?pause=1&ms=600000 HTTP/1.1\r\nHost: x\r\n{ND}"
                        "Content-Length: 900000000\r\n\r\n")
            client.sock.settimeout(0.5)
            sent = 0
            try:
                while True:
                    sent += client.sock.send(b"line\n" * 1000)
            except socket.timeout:
                pass
            assert sent < 8 << 20, sent
            begin = server.counts()["lines"]
            assert begin == 601, begin
        server.wait(lambda counts: counts["data"] == counts["data_freed"])


def lines_can_be_declined_early():
    with Server() as server, server.unix() as client:
        body = b"x\n" * 1000
        assert client.ask("POST", "/lines?stop=3", ND, body).body == b"lines=3\n"
        assert client.ask("POST", "/lines?stop=3&defer=20", ND, body).body == b"later\n"
        # Without end: the reply comes although the body does not stop.
        for query in ("stop=3", "stop=3&defer=300"):
            with server.unix() as endless:
                endless.send(f"POST /lines?{query} HTTP/1.1\r\nHost: x\r\n{ND}"
                             "Content-Length: 900000000\r\n\r\n")
                endless.sock.settimeout(3)
                try:
                    for _ in range(10000):
                        endless.send(b"x\n" * 4096)
                except (BrokenPipeError, ConnectionResetError, socket.timeout):
                    pass
                assert endless.reply().status == 200
    # The data of each was freed: the server's own count says so at its end.


# ---- slow, half-closed and gone


def slow_clients_are_cut_off():
    with Server(idle=1, request=1) as server:
        slow = {
            "nothing": "",
            "half a line": "GET /hel",
            "half a head": "GET /hello HTTP/1.1\r\nHost: localhost\r\n",
            "half a body": f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{TOKEN}"
                           "Content-Length: 10\r\n\r\nabc",
            "half a line of lines": f"POST /lines HTTP/1.1\r\nHost: localhost\r\n{TOKEN}{ND}"
                                    "Content-Length: 10\r\n\r\nabc",
        }
        clients = [(what, make(), text) for what, text in slow.items()
                   for make in (server.unix, server.tcp)]
        for _, client, text in clients:
            client.send(text)
        for what, client, text in clients:
            try:
                assert client.reply().status == 408, what
            except Closed as closed:
                assert closed.args[0] == b"", what
            client.sock.close()
        server.wait(lambda counts: counts["connections"] == 1)


def byte_by_byte_takes_no_longer():
    with Server(idle=1, request=1) as server:
        for start in ("", "GET /hello HTTP/1.1\r\nHost: localhost\r\n",
                      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"):
            with server.unix() as client:
                begin = time.monotonic()
                client.send(start)
                client.sock.settimeout(0.1)
                got = b""
                while time.monotonic() - begin < 15:
                    try:
                        client.send("x")
                        got = client.sock.recv(4096)
                        break
                    except socket.timeout:
                        continue
                    except (BrokenPipeError, ConnectionResetError):
                        break
                assert time.monotonic() - begin < 6, start
                assert got == b"" or b" 408 " in got, got


def lines_may_come_slowly_if_they_come():
    with Server(idle=1, request=1) as server, server.unix() as client:
        client.send(f"POST /lines HTTP/1.1\r\nHost: x\r\n{ND}Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            time.sleep(0.5)
            client.send("2\r\na\n\r\n")
        client.send("0\r\n\r\n")
        assert client.reply().body == b"lines=5\n"


def a_half_closed_client_gets_its_reply():
    with Server() as server:
        for client, who in both(server):
            with client:
                client.send(f"GET /later?ms=1500 HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
                client.sock.shutdown(socket.SHUT_WR)
                assert client.reply().body == b"later\n"
                assert client.is_closed()
    with Server(request=1) as server:
        for client, who in both(server):
            with client:  # but not one that stops in the middle
                client.send(f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{who}"
                            "Content-Length: 5\r\n\r\nab")
                client.sock.shutdown(socket.SHUT_WR)
                while client.more():
                    pass
                assert client.buffer == b"" or b" 408 " in client.buffer


def a_client_that_leaves_while_it_waits_is_noticed():
    with Server() as server:
        clients = [client for _ in range(5) for client in both(server)]
        for client, who in clients:
            client.send(f"GET /later?ms=4000 HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
        server.wait(lambda counts: counts["waiting"] == 10)
        for client, _ in clients:
            client.sock.close()
        counts = server.wait(lambda counts: counts["gone"] == 10)
        assert counts["waiting"] == 10 and counts["data_freed"] == 0
        server.wait(lambda counts: counts["waiting"] == 0)
        counts = server.wait(lambda counts: counts["connections"] == 1)
        assert counts["data"] == counts["data_freed"] == 10 and counts["gone"] == 10


def the_end_comes_while_requests_wait():
    with Server() as server:
        clients = [client for _ in range(5) for client in both(server)]
        for number, (client, who) in enumerate(clients):
            path = ("later?ms=100000", "stream?ms=100000", "stream")[number % 3]
            client.send(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
        server.wait(lambda counts: counts["requests"] == 10)
        server.process.stdin.close()
        server.process.stdin = None
        for client, _ in clients:
            while client.more():
                pass
            client.sock.close()


# ---- streams


def a_stream_comes_piece_by_piece():
    with Server() as server:
        for client, who in both(server):
            with client:
                client.send(f"GET /stream?ms=20&count=5 HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
                status, headers = client.head()
                assert status == 200 and headers["content-type"] == "text/event-stream"
                for _ in range(5):
                    assert client.chunk() == b"x" * 15 + b"\n"
                assert client.chunk() == b""
                assert client.ask("GET", "/hello", who).status == 200


def a_stream_whose_client_left_ends():
    with Server() as server:
        clients = [client for _ in range(5) for client in both(server)]
        for number, (client, who) in enumerate(clients):
            every = (10, 100000)[number % 4 // 2]
            client.send(f"GET /stream?ms={every} HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
            client.head()
        server.wait(lambda counts: counts["streams"] == 10)
        for number, (client, _) in enumerate(clients):
            if number < 4:  # a reset, in the middle of the stream
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sock.close()
        server.wait(lambda counts: counts["streams_done"] == 10 and counts["connections"] == 1)


def a_stream_that_is_not_read_is_bounded_and_ends():
    with Server(idle=2) as server:
        before = server.rss_kib()
        clients = [client for _ in range(8) for client in both(server)]
        for client, who in clients:
            client.send(f"GET /stream?size=65536 HTTP/1.1\r\nHost: localhost\r\n{who}\r\n")
        counts = server.wait(lambda counts: counts["streams"] == 16)
        server.wait(lambda counts: counts["streams_done"] == 16, 20)
        assert server.rss_kib() - before < 16 * 1024
        assert server.counts()["streamed"] < 16 * (16 << 20)
        for client, _ in clients:
            client.sock.close()


def a_reply_that_is_not_read_is_cut_off():
    with Server(idle=1, body=8 << 20) as server:
        for client, who in both(server):
            with client:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                head = (f"POST /echo HTTP/1.1\r\nHost: localhost\r\n{who}"
                        f"Content-Length: {8 << 20}\r\n\r\n")
                client.send(head.encode() + b"x" * (8 << 20))
                server.wait(lambda counts: counts["connections"] == 1, 15)


def waiting_costs_nothing():
    with Server() as server:
        clients = []
        for number in range(200):
            client = server.unix()
            path = ("later?ms=100000", "stream?ms=100000")[number % 2]
            client.send(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            clients.append(client)
        server.wait(lambda counts: counts["requests"] == 200)
        begin = server.cpu_seconds()
        time.sleep(2)
        assert server.cpu_seconds() - begin < 0.2
        for client in clients:
            client.sock.close()


# ---- too many


def admitted(server, seconds=5, make=None, headers=""):
    """A client, of the unix socket if not said otherwise, as soon as there is room for one."""
    end = time.monotonic() + seconds
    while True:
        client = (make or server.unix)()
        try:
            if client.ask("GET", "/hello", headers).status == 200:
                return client
        except (Closed, BrokenPipeError, ConnectionResetError):
            pass
        client.sock.close()
        assert time.monotonic() < end, "no room"


def connections_beyond_the_limit_are_refused_with_a_reply():
    with Server(connections=20, each=20) as server:
        clients = [server.unix() for _ in range(19)]
        for client in clients:
            assert client.ask("GET", "/hello").status == 200
        assert server.counts()["connections"] == 20
        clients.append(admitted(server))
        for make in (server.unix, server.tcp):
            with make() as client:
                reply = client.ask("GET", "/hello")
                assert reply.status == 503 and reply.code() == "overloaded"
                assert reply.headers["retry-after"] == "1"
                assert client.is_closed()
        for client in clients:
            assert client.ask("GET", "/hello").status == 200
        clients.pop().sock.close()
        admitted(server).sock.close()
        for client in clients:
            client.sock.close()


def one_address_cannot_take_all_connections():
    with Server(connections=100, each=5) as server:
        mine = [server.tcp() for _ in range(4)]
        # Whatever address of this machine one calls it from.
        mine.append(server.tcp(source="127.0.0.9"))
        for client in mine:
            assert client.ask("GET", "/hello", TOKEN).status == 200
        for source in ("127.0.0.1", "127.1.2.3"):
            with server.tcp(source=source) as client:
                assert client.ask("GET", "/hello", TOKEN).status == 503
        with server.unix() as client:  # somebody else
            assert client.ask("GET", "/hello").status == 200
        mine.pop().sock.close()
        mine.append(admitted(server, make=lambda: server.tcp(source="127.0.0.7"), headers=TOKEN))
        for client in mine:
            client.sock.close()


def the_last_connections_are_for_operators():
    with Server(connections=128, each=128) as server:
        others = [server.tcp() for _ in range(126)]
        for client in others:
            assert client.ask("GET", "/hello", TOKEN).status == 200
        with server.tcp() as client:
            assert client.ask("GET", "/hello", TOKEN).status == 503
        mine = [server.unix() for _ in range(2)]
        for client in mine:
            assert client.ask("GET", "/hello").status == 200
        with server.unix() as client:
            assert client.ask("GET", "/hello").status == 503
        for client in others + mine:
            client.sock.close()


def ten_thousand_connections_are_survived():
    with Server(connections=200, each=200) as server:
        kept, refusals = [], 0
        for _ in range(10000):
            client = server.unix()
            try:
                client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            if len(kept) < 200:
                assert client.reply().status == 200
                kept.append(client)
                continue
            try:
                refusals += client.reply().status == 503
            except Closed:
                pass
            client.sock.close()
        assert refusals > 9000, refusals
        for client in kept:
            assert client.ask("GET", "/hello").status == 200
            client.sock.close()
        server.wait(lambda counts: counts["connections"] == 1)


def requests_beyond_the_waiting_limit_are_refused():
    with Server(waiting=3) as server:
        clients = [server.unix() for _ in range(4)]
        for client in clients[:3]:
            client.send("GET /later?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
        while True:
            reply = clients[3].ask("GET", "/count")
            if reply.status == 503:
                break
        assert reply.code() == "overloaded" and reply.headers["retry-after"] == "1"
        for client in clients[:3]:
            assert client.reply().body == b"later\n"
        assert clients[3].ask("GET", "/count").status == 200
        for client in clients:
            client.sock.close()


def no_descriptor_left_is_survived():
    with Server(nofile=40) as server:
        clients = []
        answers = []
        for _ in range(60):
            client = server.unix()
            try:
                answers.append(client.ask("GET", "/hello").status)
            except (Closed, BrokenPipeError, ConnectionResetError):
                answers.append(0)
            clients.append(client)
        assert answers[0] == 200 and 503 in answers, answers
        begin = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - begin < 0.2
        for client in clients:
            client.sock.close()
        admitted(server).sock.close()


# ---- sockets


def fails_to_open(words, text):
    done = subprocess.run([Server.program, *words], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    assert done.returncode == 1 and text in done.stderr.decode(), done


def a_socket_that_is_served_is_not_taken_and_one_that_is_not_is():
    with Server() as server:
        fails_to_open(["--unix", server.path], "another process serves")
        fails_to_open(["--address", f"127.0.0.1:{server.port}"], "another process listens")
        with server.unix() as client:
            assert client.ask("GET", "/hello").status == 200
        mode = os.stat(server.path).st_mode & 0o7777
        assert mode == 0o666, oct(mode)
    with Server() as server:
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        assert os.path.exists(server.path)
        done = subprocess.run([Server.program, "--unix", server.path], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done
        assert not os.path.exists(server.path)
        server.process.returncode = 0


def a_wrong_address_or_path_says_what_to_do():
    with tempfile.TemporaryDirectory(prefix="granary-http-") as folder:
        fails_to_open(["--unix", folder + "/" + "x" * 200], "name a shorter one")
        open(folder + "/file", "w").close()
        fails_to_open(["--unix", folder + "/file"], "is no socket")
        assert os.path.exists(folder + "/file")
        fails_to_open(["--unix", folder + "/no/s"], "No such file")
    for address in ("127.0.0.1", "127.0.0.1:", ":7070", "localhost:7070", "127.0.0.1:70000",
                    "::1:7070",
                    "[127.0.0.1]:7070", "[::1]", "127.0.0.1:x", ""):
        fails_to_open(["--address", address], "is not like 127.0.0.1:7070")


PATIENT = [a_pause_holds_the_lines_back, slow_clients_are_cut_off, byte_by_byte_takes_no_longer,
           lines_may_come_slowly_if_they_come, a_half_closed_client_gets_its_reply,
           a_client_that_leaves_while_it_waits_is_noticed, a_stream_whose_client_left_ends,
           a_stream_that_is_not_read_is_bounded_and_ends, a_reply_that_is_not_read_is_cut_off,
           waiting_costs_nothing, requests_beyond_the_waiting_limit_are_refused,
           ten_thousand_connections_are_survived, no_descriptor_left_is_survived]
TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == __name__
         and value.__code__.co_argcount == 0 and name != "main"]


def main():
    Server.program = sys.argv[1]
    words = sys.argv[2:]
    tests = {"fast": [test for test in TESTS if test not in PATIENT], "patient": PATIENT}.get(
        words[0] if words else "", [test for test in TESTS if test.__name__ in words or not words])
    failed = 0
    for test in tests:
        # The lines are cmocka's, so that the sum counts each case.
        print(f"[ RUN      ] {test.__name__}", flush=True)
        try:
            test()
            print(f"[       OK ] {test.__name__}")
        except (AssertionError, Closed, OSError) as error:
            print(f"{type(error).__name__}: {error} (line {error.__traceback__.tb_next.tb_lineno})")
            print(f"[  FAILED  ] {test.__name__}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
