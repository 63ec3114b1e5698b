"""`granary top` on a terminal of its own, against the stand-in: what its screen shows, what keys and
signals do, and how the terminal is left."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import unicodedata

import standin
from standin import NOW, running

SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|\x1b(.)|([\r\n])|([^\x1b\r\n]+)", re.S)
KNOWN = {"?1049h", "?1049l", "?25h", "?25l", "?7h", "?7l"}


class Screen:
    """As much of a terminal as the program may use; anything else is a fault."""

    def __init__(self, rows, columns):
        self.resize(rows, columns)
        self.is_other = self.is_hidden = False
        self.row = self.column = 0

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [""] * rows
        self.is_late = True  # a picture of the old size may be on its way
        self.is_lost = False  # the rest of such a one

    def feed(self, data):
        for numbers, verb, other, end, text in SEQUENCE.findall(data):
            assert not other, f"an unknown sequence: {other!r}"
            if end == b"\r":
                self.column = 0
            elif self.is_lost and not verb:
                continue
            elif end == b"\n":
                self.row += 1
                if self.is_late and self.row >= self.rows:
                    self.is_lost = True
                    self.row = self.rows - 1
                    continue
                assert self.row < self.rows, "the terminal would scroll"
            elif text:
                shown = text.decode()
                assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in shown), shown
                line = self.lines[self.row]
                assert len(line) >= self.column, (line, self.column)
                self.lines[self.row] = line[:self.column] + shown + line[self.column + len(shown):]
                self.column += len(shown)
            elif verb:
                self.obey(numbers.decode(), verb.decode())

    def obey(self, numbers, verb):
        if verb == "m":
            return
        if verb in "hl":
            assert numbers + verb in KNOWN, numbers + verb
            if numbers == "?1049":
                self.is_other = verb == "h"
            if numbers == "?25":
                self.is_hidden = verb == "l"
        elif verb == "H":
            assert numbers == "", numbers
            self.row = self.column = 0
            self.is_lost = False
        elif verb == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif verb == "J":
            first = self.row if numbers == "" else 0
            for row in range(first + (numbers == ""), self.rows):
                self.lines[row] = ""
        else:
            raise AssertionError(f"an unknown sequence: {numbers}{verb}")

    def check(self):
        for line in self.lines:
            wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
            assert wide <= self.columns, (wide, line)

    @property
    def text(self):
        return "\n".join(self.lines)


class Top:
    """The program on a terminal."""

    def __init__(self, cli, *words, rows=24, columns=80, env=None):
        self.screen = Screen(rows, columns)
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.raw = b""
        self.child = cli.start("top", *words, stdin=self.slave, stdout=self.slave,
                               stderr=self.slave, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                               env={"TERM": "xterm", **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.read(0)
        self.screen.resize(rows, columns)
        self.size(rows, columns)  # the kernel tells the program

    def read(self, seconds):
        """Takes in what is there, waiting at most so long for the first of it."""
        while select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            # Whole pictures only: what is cut off is read on.
            end = self.raw.rfind(b"\x1b[?7h")
            last = self.raw.rfind(b"\x1b[?1049")
            end = max(end + 5 if end >= 0 else 0, last + 8 if last >= 0 else 0)
            self.screen.feed(self.raw[:end])
            self.raw = self.raw[end:]
            seconds = 0

    def fits(self, seconds=20):
        """Waits until the picture on the screen is one of its size."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.screen.check()
                assert not self.screen.is_lost and any(self.screen.lines)
                break
            except AssertionError:
                assert time.monotonic() < until, self.screen.text
                self.read(0.05)
        self.read(0.1)
        self.screen.check()
        self.screen.is_late = False

    def shows(self, *texts, seconds=20):
        """Waits until all of it is on the screen."""
        until = time.monotonic() + seconds
        while not all(text in self.screen.text for text in texts):
            assert time.monotonic() < until, (texts, self.screen.text)
            self.read(0.05)
        self.screen.check()

    def press(self, keys):
        os.write(self.master, keys)

    def ends(self):
        """Its exit code; the terminal must be as it was."""
        until = time.monotonic() + 20
        while self.child.poll() is None:
            assert time.monotonic() < until, "it does not end"
            self.read(0.02)
        self.read(0)
        assert not self.screen.is_other and not self.screen.is_hidden, "the screen was not given back"
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is set otherwise"
        return self.child.returncode


def quota(name, variant, nominal, used, borrowed):
    return {"organisation": name, "variant": variant, "nominal": nominal, "borrow": None,
            "lend": None, "used": used, "borrowed": borrowed, "left_own": 0, "left": None}


def share(name, user=None, **more):
    return {"organisation": name, "parent": None, "user": user, "weight": 1000, "limits": None,
            "running": 1, "waiting": 2, "held": 4, "past": 1, "share": 5, **more}


def node(name, variant, used, **more):
    return {"name": name, "site": "local", "state": "up", "variant": variant, "pretend": False,
            "devices": 8, "free_milli": [0] * used + [1000] * (8 - used), "out": [], "cpu": 16,
            "cpu_free": 8, "memory_mib": 1, "memory_free_mib": 1, "jobs": used, "why": None, **more}


def fill(stand, organisations=3, nodes=4, waiting=5):
    """A pool; `stand.queue` and the others may be changed by a test."""
    stand.nodes = [node(f"node{n:04}", f"nv-h{n % 5}00", n % 9) for n in range(nodes)]
    names = [f"org{n:02}" for n in range(organisations)]
    stand.shares = [share(name) for name in names] + [share(name, "alice") for name in names]
    stand.quotas = [quota(name, "nv-h000", 8, n, max(0, n - 8)) for n, name in enumerate(names)]
    stand.waiting = [standin.job(1000 + n, name=f"wait{n}", organisation="org00", devices=4,
                                 kind="h20", reason={"code": "no-room", "text": "waits for room"})
                     for n in range(waiting)]
    stand.hooks["GET quotas"] = lambda handler, parts: handler.send(
        200, {"quotas": stand.quotas}) or True
    stand.hooks["GET shares"] = lambda handler, parts: handler.send(
        200, {"shares": stand.shares, "queue": {}}) or True
    stand.hooks["GET queue"] = lambda handler, parts: handler.send(
        200, {"waiting": len(stand.waiting), "jobs": [
            {"position": n + 1, "id": job["id"], "by_right": False, "job": job}
            for n, job in enumerate(stand.waiting[:int(handler.query.get("limit", 100))])]}) or True


def a_screen_of_80_by_24_holds_all_of_it(cli, stand):
    fill(stand)
    stand.add(running(7, name="lazy", nodes=["node0003"], devices=2,
                      held_idle={"since_ms": NOW - 700000, "text": "its processes use no cpu"}))
    with Top(cli) as top:
        top.shows("nv-h000", "nv-h300", "wait0", "waits for room", "org02", "lazy", "held-idle 2",
                  "q end")
        assert top.screen.is_other and top.screen.is_hidden
        assert len(top.screen.lines) == 24 and top.screen.lines[23].strip(), top.screen.text
        top.press(b"q")
        assert top.ends() == 0


def keys_turn_scroll_filter_and_pause(cli, stand):
    fill(stand, organisations=50, nodes=1000, waiting=300)
    with Top(cli) as top:
        top.shows("[1 all]", "300 wait")
        top.press(b"2")
        top.shows("[2 queue]", "wait0 ", "wait19")
        top.press(b"\x1b[B")
        top.shows("wait20")
        top.press(b"\x1b[F")
        top.shows("wait299")
        top.press(b"\x1b[5~\x1b[5~")
        until = time.monotonic() + 20
        while "wait299" in top.screen.text:
            assert time.monotonic() < until, top.screen.text
            top.read(0.05)
        top.press(b"\x1b[H")
        top.shows("wait0 ")
        top.press(b"\t")
        top.shows("[3 shares]", "org00", "alice")
        top.press(b"4")
        top.shows("[4 fleet]", "node0000")
        top.press(b"/node0777\r")
        top.shows("node0777", "/node0777")
        assert "node0776" not in top.screen.text
        top.press(b"\x1b")
        top.shows("node0000")
        top.press(b"h")
        top.shows("show only rows that hold a text")
        top.press(b"h1p")
        top.shows("paused", "[1 all]")
        asked = len(stand.asked("GET", "pool"))
        stand.tell("job-placed")
        time.sleep(0.5)
        top.read(0)
        assert len(stand.asked("GET", "pool")) == asked
        top.press(b"p+")
        top.shows("2s")
        top.press(b"q")
        assert top.ends() == 0


def what_happens_is_told_and_not_asked_for(cli, stand):
    fill(stand)
    with Top(cli, "--interval", "0.1") as top:
        top.shows("[1 all]", "none since this began")
        time.sleep(0.3)
        asked = len(stand.asked("GET", "pool"))
        time.sleep(1)
        assert len(stand.asked("GET", "pool")) == asked
        stand.nodes[0]["state"] = "drained"
        stand.tell("node-state-set")
        top.shows("node-state-set")
        stand.wait_for(lambda: len(stand.asked("GET", "pool")) > asked, "a look")
        top.press(b"q")
        assert top.ends() == 0


def a_terminal_that_changes_is_used_as_it_is(cli, stand):
    fill(stand, organisations=50, nodes=200, waiting=300)
    with Top(cli) as top:
        top.shows("[1 all]", "wait0 ")
        before = top.screen.text.count("wait")
        for rows, columns in ((60, 200), (10, 40), (3, 20), (1, 1), (24, 80)):
            top.resize(rows, columns)
            top.fits()
            if columns >= 40:
                top.shows("granary 0.1.0")
            if rows == 60:
                until = time.monotonic() + 20
                while top.screen.text.count("wait") <= before:
                    assert time.monotonic() < until, top.screen.text
                    top.read(0.05)
        top.press(b"q")
        assert top.ends() == 0


def every_end_gives_the_terminal_back(cli, stand):
    fill(stand)
    ends = {signal.SIGINT: 0}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV,
                   signal.SIGABRT):
        with Top(cli) as top:
            top.shows("[1 all]")
            top.child.send_signal(number)
            assert top.ends() == ends.get(number, -number), number
    with Top(cli) as top:
        top.shows("[1 all]")
        top.press(b"\x03")
        assert top.ends() == 0


def ctrl_z_gives_the_terminal_back_for_a_while(cli, stand):
    fill(stand)
    with Top(cli) as top:
        top.shows("[1 all]")
        top.child.send_signal(signal.SIGTSTP)
        until = time.monotonic() + 20
        while True:
            assert time.monotonic() < until, "it does not stop"
            top.read(0.02)
            with open(f"/proc/{top.child.pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "T":
                    break
        top.read(0.1)
        assert not top.screen.is_other and not top.screen.is_hidden
        assert termios.tcgetattr(top.slave) == top.before
        top.child.send_signal(signal.SIGCONT)
        until = time.monotonic() + 20
        while not top.screen.is_other:
            assert time.monotonic() < until, "it does not come back"
            top.read(0.05)
        top.press(b"q")
        assert top.ends() == 0


def a_daemon_that_goes_and_comes_is_waited_for(cli, stand):
    fill(stand)
    with Top(cli, "--interval", "0.2") as top:
        top.shows("[1 all]")
        stand.stop()
        stand.hooks["*"] = lambda handler, parts: handler.cut() or True
        top.press(b"r")
        top.shows("connection lost since", "trying again", seconds=40)
        assert "wait0" in top.screen.text
        del stand.hooks["*"]
        stand.start()
        top.shows("3 running", "wait0", seconds=60)
        top.press(b"q")
        assert top.ends() == 0


def names_of_others_never_reach_the_terminal_as_commands(cli, stand):
    fill(stand)
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\u202eabc\u2066"
    for row in stand.waiting:
        row.update(name=evil, organisation=evil, kind=evil,
                   reason={"code": evil, "text": evil})
    stand.nodes[0].update(name=evil, why=evil, variant=evil, state=evil)
    stand.shares.append(share(evil))
    stand.add(running(7, name=evil, user=evil, nodes=[evil], devices=1,
                      held_idle={"since_ms": NOW, "text": evil}))
    with Top(cli) as top:
        for page in (b"1", b"2", b"3", b"4"):
            top.press(page)
            top.shows(f"[{page.decode()} ")
        stand.tell(evil.replace("\r\n", ""))
        top.read(1.5)
        top.press(b"q")
        assert top.ends() == 0
    code, out, err = cli("top", "--once")
    assert code == 0, err
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in out.replace("\n", "")), out


def without_a_terminal_one_picture_is_text(cli, stand):
    fill(stand)
    for words in ((), ("--once",)):
        code, out, err = cli("top", *words)
        assert code == 0 and "\x1b" not in out, (out, err)
        assert "nv-h000" in out and "wait0" in out and "org00" in out, out
        assert all(len(line) <= 100 for line in out.splitlines()), out
    code, out, err = cli("top", "-o", "json")
    made = json.loads(out)
    assert made["waiting"] == 5 and len(made["queue"]) == 5, made
    assert made["reasons"] == [{"text": "waits for room", "jobs": 5}], made["reasons"]
    kinds = {row["variant"]: row for row in made["kinds"]}
    assert kinds["nv-h300"] == {"variant": "nv-h300", "nodes": 1, "devices": 8, "used": 3,
                                "held_idle": 0, "free": 5, "out": 0, "pretend": False}, kinds
    assert made["pool"]["version"] == "0.1.0" and len(made["quotas"]) == 3


def no_color_is_no_colour(cli, stand):
    fill(stand)
    with Top(cli, env={"NO_COLOR": "1"}) as top:
        seen = []
        feed = top.screen.obey
        top.screen.obey = lambda numbers, verb: (seen.append(verb), feed(numbers, verb))
        top.shows("[1 all]")
        assert "m" not in seen[2:], seen
        top.press(b"q")
        top.ends()


def without_utf8_only_ascii_is_written(cli, stand):
    fill(stand)
    stand.waiting[0]["name"] = "größe"
    with Top(cli, env={"LANG": "C", "LC_ALL": "C"}) as top:
        top.shows("gr??e")
        top.press(b"q")
        top.ends()


def a_pool_that_is_not_there_is_said_before_the_screen_is_taken(cli, stand):
    stand.stop()
    with Top(cli) as top:
        until = time.monotonic() + 30
        while top.child.poll() is None:
            assert time.monotonic() < until
            top.read(0.05)
        assert top.child.returncode == 1
        top.read(0.1)
        assert b"granary top:" in top.raw and b"\x1b[?1049h" not in top.raw, top.raw
    stand.start()


TESTS = [
    a_screen_of_80_by_24_holds_all_of_it,
    keys_turn_scroll_filter_and_pause,
    what_happens_is_told_and_not_asked_for,
    a_terminal_that_changes_is_used_as_it_is,
    every_end_gives_the_terminal_back,
    ctrl_z_gives_the_terminal_back_for_a_while,
    a_daemon_that_goes_and_comes_is_waited_for,
    names_of_others_never_reach_the_terminal_as_commands,
    without_a_terminal_one_picture_is_text,
    no_color_is_no_colour,
    without_utf8_only_ascii_is_written,
    a_pool_that_is_not_there_is_said_before_the_screen_is_taken,
]

if __name__ == "__main__":
    sys.exit(standin.main(TESTS, os.path.abspath(sys.argv[1])))
