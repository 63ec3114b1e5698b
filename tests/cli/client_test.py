"""The commands that speak to a daemon, as a user meets them, against a stand-in that answers as the
API promises: what they send, what they print, and their exit codes.

Run by meson with the program as its only argument.
"""

import csv
import io
import json
import os
import re
import signal
import sys
import time
import unicodedata

import standin
from standin import NOW, ended, job, running

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../data/cli")
COMMANDS = ["submit", "run", "ps", "show", "logs", "stop", "nodes", "devices", "cordon",
            "uncordon", "drain", "token", "apply", "events", "pool", "engine"]


def some_jobs(stand):
    stand.add(
        ended(3, "failed", name="prepare", exit_code=3),
        ended(4, "out-of-memory", name="train-llm", signal="KILL", kind="h200", devices=8,
              tasks=4, user="bob", reason={"code": "out-of-memory", "text": "the memory limit of "
                                           "16 GiB was reached"}),
        running(5, name="serve", kind="h20", devices=1, milli=250, nodes=["host/h20"]),
        running(6, name="gang", kind="h100|h200", devices=8, tasks=16,
                nodes=["pretend/h200-0", "pretend/h200-1"]),
        job(7, name="wait\u0009\u001b[31mred", reason={"code": "no-room", "text": "3 devices of "
            "h20 are free, 8 are asked for in one node"}, kind="h20", devices=8),
        job(8, name="数据准备", array=8, array_index=0, state="held"),
        job(9, name="数据准备", array=8, array_index=1, state="held"))


def same_as_golden(name, text):
    path = os.path.join(GOLDEN, name)
    if os.environ.get("GRANARY_GOLDEN") == "write":
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        wanted = file.read()
    assert text == wanted, f"{name} is not as it was:\n{text}\nbut was\n{wanted}"


# ---- without a daemon --------------------------------------------------------------------------


def every_help_fits_100_columns_and_every_command_is_listed(cli, stand):
    code, out, _ = cli("help")
    assert code == 0
    for command in COMMANDS:
        assert f"\n  {command} " in out, command
        code, text, err = cli(command, "--help")
        assert code == 0 and err == "", (command, err)
        assert text.startswith(f"usage: granary {command} "), text
        wide = [line for line in text.splitlines() if len(line) > 100]
        assert not wide, (command, wide)
        assert cli("help", command)[1] == text


def an_unknown_command_names_the_nearest(cli, stand):
    code, _, err = cli("sumbit")
    assert code == 2
    assert err == ("granary: there is no command 'sumbit', perhaps 'submit' is meant; "
                   "`granary help` lists them\n"), err
    code, out, _ = cli("--version")
    assert code == 0 and out.startswith("granary 0."), out


def without_a_daemon_it_says_what_was_tried_and_what_to_type(cli, stand):
    nobody = {"GRANARY_SERVER": "", "XDG_STATE_HOME": os.path.join(stand.folder, "state")}
    if os.path.exists("/run/granary/granary.sock"):
        print("SKIP: a daemon of root's serves here")
    else:
        code, out, err = cli("ps", env=nobody)
        assert code == 1 and out == "", (code, out)
        assert "no daemon is there" in err and "granary.sock" in err, err
        assert err.endswith("\n  next: granary serve\n"), err
    gone = f"unix:{stand.folder}/gone"
    code, out, err = cli("ps", "--server", gone)
    assert (code, out) == (1, "")
    assert err == (f"granary ps: no daemon answers: tried {gone}: nobody listens there\n"
                   "  next: granary serve\n"), err
    for wrong in ("ftp://x", "http://", "http://a/b", "unix:", "localhost:7070"):
        code, _, err = cli("ps", "--server", wrong)
        assert code == 2 and "--server: found" in err, (wrong, code, err)


# ---- lists -------------------------------------------------------------------------------------


def tables_are_as_they_were(cli, stand):
    some_jobs(stand)
    stand.nodes = NODES
    stand.devices = DEVICES
    for name, words in (("ps", ["ps", "--all"]), ("ps-wide", ["ps", "--all", "-o", "wide"]),
                        ("nodes", ["nodes"]), ("devices", ["devices"]),
                        ("engine", ["engine", "check"]), ("show", ["show", "4"])):
        code, out, err = cli(*words)
        assert code == 0 and err == "", (words, err)
        assert "\x1b" not in out and "\t" not in out, out
        if "wide" not in name:
            assert max(map(columns, out.splitlines())) <= 100, out
        same_as_golden(name + ".golden", ages_hidden(out))


def columns(line):
    """Columns on a terminal: characters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def ages_hidden(text):
    """Times that depend on the clock are no part of a golden; that they have the width they had is."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "YYYY-MM-DD hh:mm:ss", text)
    return re.sub(r"\b\d+m\d\ds\b", "MmSSs", text)


def csv_and_json_hold_every_row_exactly(cli, stand):
    some_jobs(stand)
    _, out, _ = cli("ps", "--all", "-o", "json")
    rows = json.loads(out)
    assert [row["id"] for row in rows] == [9, 8, 7, 6, 5, 4, 3]
    assert rows == [stand.jobs[row["id"]] for row in rows]
    _, out, _ = cli("ps", "--all", "-o", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == rows
    _, out, _ = cli("ps", "--all", "-o", "csv")
    table = list(csv.DictReader(io.StringIO(out)))
    assert [row["id"] for row in table] == ["9", "8", "7", "6", "5", "4", "3"]
    assert table[3]["nodes"] == "pretend/h200-0;pretend/h200-1"
    assert table[2]["name"] == "wait?" + "?[31mred" and table[0]["name"] == "数据准备"
    assert table[2]["ended_ms"] == "" and table[5]["signal"] == "KILL"


def a_formula_in_a_name_stays_text_in_csv(cli, stand):
    stand.add(job(1, name="=HYPERLINK(1)"))
    _, out, _ = cli("ps", "-o", "csv")
    assert next(csv.DictReader(io.StringIO(out)))["name"] == "'=HYPERLINK(1)"


def lists_page_until_they_have_what_was_asked_for(cli, stand):
    stand.add(*(job(id) for id in range(1, 2502)))
    _, out, _ = cli("ps", "-n", "0", "-o", "csv")
    assert len(out.splitlines()) == 2502
    assert len(stand.asked("GET", "jobs")) == 3
    _, out, _ = cli("ps")
    assert out.splitlines()[-1] == "only the newest 100; -n 0 shows all"
    _, out, _ = cli("ps", "-n", "1500", "-o", "jsonl")
    assert len(out.splitlines()) == 1500


def filters_are_sent_and_checked(cli, stand):
    some_jobs(stand)
    _, out, _ = cli("ps", "--state", "failed,out-of-memory", "-o", "csv")
    assert len(out.splitlines()) == 3, out
    assert stand.requests[-1][2]["state"] == "failed,out-of-memory"
    code, _, err = cli("ps", "--state", "faild")
    assert code == 2 and "--state: found 'faild', expected held, waiting" in err, err
    cli("ps", "--mine")
    assert stand.requests[-1][2]["user"] == "alice"
    code, out, err = cli("ps", "--user", "nobody")
    assert (code, out, err) == (0, "", "no jobs\n")


# ---- names of jobs ------------------------------------------------------------------------------


def a_job_is_named_by_number_element_last_or_beginning_of_its_name(cli, stand):
    some_jobs(stand)

    def shown(text):
        code, out, err = cli("show", text, "-o", "json")
        return (code, json.loads(out)["id"]) if code == 0 else (code, err)

    assert shown("5") == (0, 5)
    assert shown("8_1") == (0, 9)
    assert shown("gan") == (0, 6)
    assert shown("train") == (0, 4), "ended ones are found too"
    assert shown("@last") == (0, 8), "an array counts as one"
    assert shown("99")[0] == 3
    code, err = shown("8_7")
    assert code == 3 and "array 8 has no element 7" in err, err
    assert shown("nope")[0] == 3
    stand.add(*(ended(id, name="many") for id in range(5000, 6100)))
    assert shown("train-llm") == (0, 4), "a whole name is found among all jobs"
    code, err = shown("train")
    assert code == 3 and "none of the newest 1000" in err, err
    for id in range(5000, 6100):
        stand.jobs.pop(id)
    stand.add(running(10, name="gang-two"))
    assert shown("gang") == (0, 6), "the whole name wins"
    code, err = shown("gan")
    assert code == 2 and "'gan' may be any of 2 jobs: 10 (gang-two), 6 (gang)" in err, err
    assert shown("@first")[0] == 2


# ---- submitting ---------------------------------------------------------------------------------


def submit_sends_the_command_and_what_is_the_users(cli, stand):
    code, out, err = cli("submit", "--kind", "h100|h200", "--devices", "0.25", "--cpu", "1.5",
                         "--memory", "80GiB", "--limit", "1h30m", "--requeue", "3",
                         "--requeue-on", "node,reclaim", "--env", "A=b=c", "--env", "GIVEN",
                         "--secret", "KEY=/run/key", "--priority", "7", "--", "python", "-c", "x",
                         env={"GIVEN": "yes", "OTHER": "no", "LC_ALL": "C"},
                         preexec_fn=lambda: os.umask(0o027))
    assert (code, out, err) == (0, "1\n", ""), (code, out, err)
    method, path, query, headers, body = stand.requests[-1]
    spec = json.loads(body)
    assert len(headers["Idempotency-Key"]) == 32
    assert spec["kind"] == "h100|h200" and spec["cpu"] == 1.5 and spec["memory"] == "80GiB"
    assert spec.get("milli") == 250 or spec.get("devices") == 0.25, spec
    assert spec["limit"] in ("1h30m", 5400000), spec
    assert spec["requeue"] == {"attempts": 3, "on": ["node", "reclaim"]}, spec
    assert spec["command"] == ["python", "-c", "x"] and spec["name"] == "python"
    assert spec["directory"] == os.path.realpath(stand.folder) and spec["umask"] == "027"
    assert spec["env"]["A"] == "b=c" and spec["env"]["GIVEN"] == "yes"
    assert spec["env"]["LC_ALL"] == "C" and spec["env"]["HOME"] == stand.folder
    assert "OTHER" not in spec["env"] and "GRANARY_SERVER" not in spec["env"]
    assert spec["secrets"] == {"KEY": "/run/key"}


def what_goes_along_can_be_chosen(cli, stand):
    def env_of(*words):
        code, _, err = cli("submit", *words, "--", "x", env={"OTHER": "1", "GRANARY_TOKEN": "t",
                                                             "BASH_FUNC_f%%": "() { :; }"})
        assert code == 0, err
        return json.loads(stand.requests[-1][4]).get("env", {})

    everything = env_of("--export", "all")
    assert everything["OTHER"] == "1" and "GRANARY_TOKEN" not in everything
    assert env_of("--export", "none") == {}
    assert env_of("--export", "OTH*") == {"OTHER": "1"}
    assert "PATH" not in env_of("--image", "/images/x")
    assert env_of("--export", "none", "-e", "A=1") == {"A": "1"}


def options_beat_the_file_and_the_files_paths_begin_at_its_folder(cli, stand):
    os.mkdir(os.path.join(stand.folder, "jobs"))
    with open(os.path.join(stand.folder, "jobs/a.yaml"), "w") as file:
        file.write("name: from-file\ntasks: 2\nmemory: 1GiB\ndirectory: sub\nenv: {A: file}\n"
                   "command: [run, it]\n")
    code, out, err = cli("submit", "-f", "jobs/a.yaml", "--tasks", "3", "-e", "B=2")
    assert code == 0, err
    spec = json.loads(stand.requests[-1][4])
    assert spec["name"] == "from-file" and spec["tasks"] == 3 and spec["memory"] == "1GiB"
    assert spec["command"] == ["run", "it"]
    assert spec["directory"].endswith("/jobs/sub"), spec["directory"]
    assert spec["env"]["A"] == "file" and spec["env"]["B"] == "2"


def jobs_of_one_file_wait_for_one_another(cli, stand):
    with open(os.path.join(stand.folder, "two.yaml"), "w") as file:
        file.write("jobs:\n- {name: one, command: [a]}\n- {name: two, command: [b], "
                   "after: {one: ok}}\n")
    code, out, err = cli("submit", "-f", "two.yaml")
    assert (code, out) == (0, "1\n2\n"), err
    assert json.loads(stand.requests[-1][4])["after"] == [{"job": 1, "how": "ok"}]
    code, out, err = cli("submit", "-f", "two.yaml", "--dry-run")
    assert code == 0 and len(stand.jobs) == 2 and out.count("start now") == 2, (out, err)


def what_is_wrong_is_found_before_it_is_sent(cli, stand):
    for words, text in (
            (["--memory", "80G", "x"], "memory: found '80G'"),
            (["--limit", "90", "x"], "limit: found '90'"),
            (["--devices", "1", "x"], "kind"),
            (["--env", "1A=x", "x"], "--env: found '1A=x', expected NAME=TEXT"),
            (["--env", "UNSET_HERE", "x"], "--env: UNSET_HERE is not set here"),
            (["--array", "9-1", "x"], "array"),
            ([], "found no command, expected one, or a job file with -f"),
            (["-f", "missing.yaml"], "missing.yaml: No such file"),
            (["--key", "a\tb", "x"], "--key")):
        code, out, err = cli("submit", *words)
        assert code == 2 or "missing" in text, (words, code)
        assert out == "" and err.startswith("granary submit: ") and text in err, (words, err)
    assert not [request for request in stand.requests if request[0] == "POST"]
    with open(os.path.join(stand.folder, "bad.yaml"), "w") as file:
        file.write("name: x\ncomand: [x]\n")
    code, _, err = cli("submit", "-f", "bad.yaml")
    assert code == 2 and "bad.yaml:2:1: " in err and "command" in err, err


def the_same_key_submits_once(cli, stand):
    assert cli("submit", "--key", "k1", "x")[1] == "1\n"
    assert cli("submit", "--key", "k1", "x")[1] == "1\n"
    assert len(stand.jobs) == 1


def submit_wait_ends_as_the_job_ends(cli, stand):
    child = cli.start("submit", "--wait", "x")
    stand.wait_for(lambda: 1 in stand.jobs, "job 1")
    stand.tell("job-placed", 1, state="running", attempt=1, started_ms=NOW)
    stand.tell("job-finished", 1, state="failed", exit_code=9)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 9 and out == b"1\n", (child.returncode, out)
    assert b"job 1: failed: exit 9" in err, err
    child = cli.start("submit", "--wait", "--array", "0-2", "x")
    stand.wait_for(lambda: 4 in stand.jobs, "the array")
    for id in (4, 2, 3):
        stand.tell("job-finished", id, state="done", exit_code=0)
    assert child.wait(10) == 0


def bulk_lines_are_answered_one_by_one(cli, stand):
    code, out, err = cli("submit", "--ndjson", "-", input=b'{"a":1}\n\nbad\n{"b":2}')
    assert (code, out) == (1, "1\n2\n")
    assert err == ("granary submit: standard input:3: not JSON\n"
                   "granary submit: 2 submitted, 1 refused\n"), err
    many = b"".join(b'{"command":["x"],"name":"%d"}\n' % i for i in range(50000))
    before = len(stand.requests)
    code, out, err = cli("submit", "--ndjson", "-", "-o", "csv", input=many)
    rows = out.splitlines()
    assert code == 0 and err == "" and len(rows) == 50001
    assert rows[1] == "1,3" and rows[-1] == "50000,50002", rows[-1]
    assert len(stand.requests) - before > 1, "in pieces"
    assert max(len(request[4]) for request in stand.requests) < 3 << 20
    code, out, err = cli("submit", "--ndjson", "-", input=b"")
    assert (code, out, err) == (0, "", "granary submit: 0 submitted, 0 refused\n"), err
    code, _, err = cli("submit", "--ndjson", "-", input=b"x" * ((1 << 20) + 2))
    assert code != 0 and "line 1 has more than 1048576 bytes" in err, err


# ---- run ----------------------------------------------------------------------------------------


def run_keeps_streams_apart_and_returns_the_exit_code(cli, stand):
    child = cli.start("run", "--", "x")
    stand.wait_for(lambda: 1 in stand.jobs, "job 1")
    stand.write(1, b"one\n")
    stand.tell("job-placed", 1, state="running", attempt=1, started_ms=NOW)
    stand.write(1, b"bad\n", "err")
    stand.write(1, b"\xff\x00two")
    stand.tell("job-finished", 1, state="failed", exit_code=7)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 7, child.returncode
    assert out == b"one\n\xff\x00two", out
    assert err == b"granary run: job 1 waiting\nbad\ngranary run: job 1 failed: exit 7\n", err
    child = cli.start("run", "--quiet", "x")
    stand.wait_for(lambda: 2 in stand.jobs, "job 2")
    stand.tell("job-finished", 2, state="out-of-memory", signal="KILL", attempt=1, started_ms=NOW)
    assert child.communicate(timeout=60) == (b"", b"") and child.returncode == 137


def run_follows_the_next_attempt(cli, stand):
    child = cli.start("run", "--quiet", "x")
    stand.wait_for(lambda: 1 in stand.jobs, "job 1")
    stand.write(1, b"try\n")
    stand.tell("job-placed", 1, state="done", attempt=1, started_ms=NOW)  # ends its log
    stand.wait_for(lambda: stand.asked("GET", "jobs/1/logs"), "logs")
    out, _ = child.communicate(timeout=60)
    assert out == b"try\n" and child.returncode == 0


def the_first_interrupt_stops_and_the_second_leaves(cli, stand):
    child = cli.start("run", "x")
    stand.wait_for(lambda: 1 in stand.jobs, "job 1")
    stand.tell("job-placed", 1, state="running", attempt=1, started_ms=NOW)
    stand.wait_for(lambda: len(stand.asked("GET", "jobs/1/logs")) == 2, "both logs")
    child.send_signal(signal.SIGINT)
    stand.wait_for(lambda: stand.asked("POST", "jobs/1/stop"), "the stop")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, child.returncode
    assert b"stopping job 1" in err and b"the job goes on: granary logs -f 1" in err, err


def run_outlives_a_daemon_that_is_started_anew(cli, stand):
    cut = []

    def cut_streams(handler, parts):
        if parts[-1] == "logs" and handler.query.get("stream") == "out" and not cut:
            cut.append(1)
            handler.begin_stream("text/plain", [("Granary-Log-Offset", "0")])
            handler.chunk(b"first ")
            handler.cut()
            return True
        return False

    stand.hooks["GET jobs"] = cut_streams
    child = cli.start("run", "--quiet", "x")
    stand.wait_for(lambda: 1 in stand.jobs, "job 1")
    stand.write(1, b"first second\n")
    stand.tell("job-placed", 1, state="running", attempt=1, started_ms=NOW)
    stand.wait_for(lambda: len(stand.asked("GET", "jobs/1/logs")) >= 3, "a second try")
    stand.tell("job-finished", 1, state="done", exit_code=0)
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == (b"first second\n", b"", 0), (out, err)
    assert any(request[2].get("from") == "6" for request in stand.asked("GET", "jobs/1/logs"))


# ---- logs, stop, nodes, apply -------------------------------------------------------------------


def logs_copy_both_streams_and_mark_tasks(cli, stand):
    stand.add(ended(1), ended(2, tasks=2), job(3))
    stand.write(1, b"out")
    stand.write(1, b"err", "err")
    assert cli("logs", "1") == (0, "out", "err")
    assert cli("logs", "--stream", "out", "1") == (0, "out", "")
    assert cli("logs", "--from", "2", "--stream", "out", "1") == (0, "t", "")
    stand.write(2, b"a\nb")
    stand.write(2, b"c\n", task=1)
    code, out, err = cli("logs", "2")
    assert sorted(out.splitlines()) == ["0: a", "0: b", "1: c"], out
    assert cli("logs", "-t", "1", "2")[1] == "c\n"
    code, _, err = cli("logs", "-t", "2", "2")
    assert code == 3 and "has tasks 0 to 1" in err, err
    code, _, err = cli("logs", "3")
    assert code == 3 and "job 3 has no output yet: it is waiting; -f waits for it" in err, err


def logs_f_waits_for_the_start_and_follows(cli, stand):
    stand.add(job(1))
    child = cli.start("logs", "-f", "1")
    stand.wait_for(lambda: stand.asked("GET", "events") and stand.asked("GET", "jobs/1"), "events")
    time.sleep(0.05)
    stand.write(1, b"x" * 3000000)
    stand.tell("job-placed", 1, state="running", attempt=1, started_ms=NOW)
    stand.wait_for(lambda: stand.asked("GET", "jobs/1/logs"), "logs")
    stand.write(1, b"end\n")
    stand.tell("job-finished", 1, state="done")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0 and out == b"x" * 3000000 + b"end\n", (len(out), err)


def stop_sends_signal_and_grace(cli, stand):
    some_jobs(stand)
    code, out, err = cli("stop", "5", "gang", "--signal", "INT", "--grace", "2m")
    assert code == 0 and out == "stopping 5 serve (was running)\nstopping 6 gang (was running)\n"
    assert json.loads(stand.requests[-1][4]) == {"signal": "INT", "grace_ms": 120000}
    cli("stop", "8")
    assert stand.requests[-1][1:3] == ("jobs/8/stop", {"array": "true"})
    cli("stop", "8_0")
    assert stand.requests[-1][1:3] == ("jobs/8/stop", {})
    code, _, err = cli("stop", "3", "99", "5")
    assert code == 6 and "job 3 has ended" in err and "there is no job 99" in err, (code, err)
    assert stand.requests[-1][1] == "jobs/5/stop", "one that cannot be stopped stops no other"
    for words in (["--signal", "FOO", "5"], ["--grace", "10", "5"], [], ["--all", "5"]):
        assert cli("stop", *words)[0] == 2, words
    code, out, _ = cli("stop", "--all")
    assert code == 0 and out.endswith("5 jobs asked to stop\n"), out


def nodes_are_taken_out_and_put_back(cli, stand):
    stand.nodes = NODES
    code, out, _ = cli("drain", "pretend/h20-0", "--why", "fans", "--grace", "1m")
    assert code == 0 and out == "pretend/h20-0 is drained; 1 job there\n", out
    assert stand.requests[-1][1] == "nodes/pretend/h20-0/drain"
    assert json.loads(stand.requests[-1][4]) == {"why": "fans", "grace_ms": 60000}
    code, out, err = cli("cordon", "host", "nix", "--dry-run")
    assert code == 3 and out.startswith("would cordon host: it is up"), (code, out)
    assert stand.requests[-1][2] == {"dry_run": "true"}
    assert cli("uncordon", "host")[0] == 0
    assert cli("cordon", "host", "--grace", "1m")[0] == 2
    code, _, err = cli("nodes", "--state", "blue")
    assert code == 2 and "found 'blue', expected up, drained or broken" in err, err
    code, _, err = cli("devices", "--node", "nix")
    assert code == 3 and "there is no node nix" in err, err


def apply_checks_the_file_and_says_what_changed(cli, stand):
    path = os.path.join(stand.folder, "d.yaml")

    def apply(text, *words):
        with open(path, "w") as file:
            file.write(text)
        return cli("apply", "-f", "d.yaml", *words)

    good = "organisations:\n  - {name: lab, seat: CN}\nusers:\n- name: alice\n  organisation: lab\n"
    assert apply(good) == (0, "organisation lab added\n1 changed, 2 unchanged\n", "")
    assert json.loads(stand.requests[-1][4]) == {
        "organisations": [{"name": "lab", "seat": "CN"}],
        "users": [{"name": "alice", "organisation": "lab"}]}
    assert apply(good, "--dry-run")[1].startswith("would be: organisation lab added\n")
    sent = len(stand.requests)
    for text, place in (("users:\n- {nam: a}\n", ":2:4: found the key 'nam', expected perhaps name"),
                        ("user:\n", ":1:1: found the key 'user', expected perhaps users"),
                        ("users: x\n", ":1:8: users: expected a list"),
                        ("users:\n- {organisation: a}\n", ":2:3: users: an entry lacks its name"),
                        ("[]\n", ":1:1: expected organisations")):
        code, _, err = apply(text)
        assert code == 2 and place in err, (text, err)
    assert len(stand.requests) == sent
    assert cli("apply")[0] == 2


def events_show_history_and_end(cli, stand):
    stand.add(job(1), job(2))
    stand.tell("job-placed", 1)
    stand.tell("job-finished", 2)
    code, out, _ = cli("events", "--from", "1", "--no-follow")
    assert code == 0 and [line.split()[3] for line in out.splitlines()] == [
        "job-placed", "job-finished"], out
    _, out, _ = cli("events", "--from", "1", "--no-follow", "--job", "2", "-o", "json")
    assert json.loads(out)["type"] == "job-finished"
    assert cli("events", "--no-follow") == (0, "", "")
    child = cli.start("events", "-o", "csv")
    stand.wait_for(lambda: len(stand.asked("GET", "events")) == 3, "the stream")
    time.sleep(0.1)
    stand.tell("job-dropped", 2)
    assert child.stdout.readline() == b"sequence,at_ms,type,job,details\n"
    assert b"job-dropped,2" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 0


# ---- watching -----------------------------------------------------------------------------------


def watch_on_a_pipe_prints_only_what_changed(cli, stand):
    stand.add(running(1, name="a"), running(2, name="b"))
    child = cli.start("ps", "--watch", "-o", "json")
    first = [json.loads(child.stdout.readline())["id"] for _ in range(2)]
    assert first == [2, 1]
    stand.tell("job-finished", 1, state="done", exit_code=0)
    last = json.loads(child.stdout.readline())
    assert (last["id"], last["state"]) == (1, "done"), "the last words of one that left the list"
    stand.tell("job-placed", 2, state="stopping")
    assert json.loads(child.stdout.readline())["state"] == "stopping"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == (b"", b"", 0), (out, err)


def watch_on_a_terminal_draws_over_the_old_picture(cli, stand):
    import pty
    stand.add(running(1, name="first-name"))
    main, side = pty.openpty()
    child = cli.start("ps", "--watch", stdout=side, env={"TERM": "xterm"})
    os.close(side)
    seen = b""

    def read_until(word):
        nonlocal seen
        while word not in seen:
            seen += os.read(main, 65536)

    read_until(b"first-name")
    assert b"\x1b[32mrunning" in seen, "states have colours"
    seen = b""
    stand.tell("job-placed", 1, state="stopping")
    read_until(b"stopping")
    assert b"\x1b[2A\r" in seen or b"A\r" in seen, seen
    assert b"\x1b[2J" not in seen, "nothing is ever blank"
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 0
    os.close(main)


def show_watch_ends_with_the_job(cli, stand):
    stand.add(running(1))
    child = cli.start("show", "--watch", "1", "-o", "jsonl")
    assert json.loads(child.stdout.readline())["state"] == "running"
    stand.tell("job-finished", 1, state="done")
    assert json.loads(child.stdout.readline())["state"] == "done"
    child.communicate(timeout=60)
    assert child.returncode == 0


# ---- a daemon that is not well ------------------------------------------------------------------


def every_refusal_has_its_exit_code_and_its_hint(cli, stand):
    for status, code, exit in ((400, "bad-spec", 2), (413, "too-large", 2), (422, "bad-spec", 2),
                               (422, "never", 4), (422, "nowhere", 4),
                               (401, "unauthorised", 4), (403, "forbidden", 4), (451, "rules", 4),
                               (404, "not-found", 3), (409, "conflict", 6), (412, "stale", 6),
                               (503, "no-capacity", 5), (507, "disk-full", 1), (500, "", 1)):
        stand.hooks["*"] = lambda handler, parts: handler.refuse(
            status, code, "no: \x1b[2Jbecause", "type this", "tasks") or True
        got, out, err = cli("submit", "x")
        assert (got, out) == (exit, ""), (status, got, err)
        field = "tasks: " if status in (400, 413, 422) else ""
        assert err == f"granary submit: {field}no: ?[2Jbecause\n  next: type this\n", err


def rubbish_is_named_as_such(cli, stand):
    for reply in (b"{", b"", b"[]", b"null", b"\xff\xfe", b"<html>", b'{"a":1,"a":2}'):
        stand.hooks["*"] = lambda handler, parts: handler.send(200, reply) or True
        code, out, err = cli("pool")
        assert (code, out) == (1, "") and "not what granary's API promises" in err, (reply, err)
    stand.hooks["*"] = lambda handler, parts: handler.send(200, {}) or True
    code, _, err = cli("ps")
    assert code == 1 and "holds no list of jobs" in err, err
    stand.hooks["*"] = lambda handler, parts: handler.send(502, b"<html>bad") or True
    code, _, err = cli("ps")
    assert code == 1 and "answered 502 and '<html>bad'" in err, err


def a_reply_that_is_too_large_is_not_taken(cli, stand):
    def huge(handler, parts):
        handler.begin_stream("application/json")
        block = b" " * (1 << 20)
        try:
            for _ in range(80):
                handler.chunk(block)
        except OSError:
            pass
        return True

    stand.hooks["*"] = huge
    code, _, err = cli("pool")
    assert code == 1 and "the reply is larger than 64 MiB" in err, err


def a_write_is_sent_again_only_with_the_same_key(cli, stand):
    keys = []

    def lose_the_answer(handler, parts):
        if handler.command == "POST":
            keys.append(handler.headers["Idempotency-Key"])
            if len(keys) == 1:
                stand.post_jobs(Silent(handler), [])
                handler.cut()
                return True
        return False

    class Silent:
        """Does the work and loses the answer."""

        def __init__(self, handler):
            self.headers, self.query, self.body = handler.headers, handler.query, handler.body

        def send(self, *words):
            pass

    stand.hooks["*"] = lose_the_answer
    code, out, err = cli("submit", "x")
    assert (code, out) == (0, "1\n"), (code, out, err)
    assert len(stand.jobs) == 1 and len(keys) == 2 and keys[0] == keys[1], keys


def where_no_more_keys_are_kept_a_write_goes_without_one(cli, stand):
    keys = []

    def keep_no_key(handler, parts):
        if handler.command != "POST":
            return False
        keys.append(handler.headers["Idempotency-Key"])
        return keys[-1] is not None and (
            handler.refuse(429, "limit-keys", "no more keys", "", "") or True)

    stand.hooks["*"] = keep_no_key
    code, out, err = cli("submit", "x")
    assert (code, out) == (0, "1\n") and keys[0] and keys[1:] == [None], (code, out, err, keys)
    keys.clear()
    code, out, err = cli("submit", "--key", "my-own", "x")  # its user relies on it
    assert code == 1 and keys == ["my-own"], (code, out, err, keys)


def events_go_on_where_they_broke(cli, stand):
    stand.add(job(1))
    rounds = []

    def break_off(handler, parts):
        if len(rounds) >= 3:
            return False
        rounds.append(handler.query.get("from"))
        handler.begin_stream("text/event-stream")
        at = int(handler.query["from"])
        for sequence, type, data in [event for event in stand.events if event[0] >= at][:2]:
            handler.chunk(f"id: {sequence}\nevent: {type}\ndata: {json.dumps(data)}\n\n".encode())
        handler.chunk(b"id: 999\nevent: cut-in-the-midd")
        handler.cut()
        return True

    for _ in range(9):
        stand.tell("job-placed", 1)
    stand.hooks["GET events"] = break_off
    code, out, err = cli("events", "--from", "101", "--no-follow")
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()] == [str(i) for i in range(101, 110)], out
    assert rounds == ["101", "103", "105"], rounds


def rubbish_in_a_stream_is_an_error(cli, stand):
    for chunk in (b"id: 1\ndata: {\n\n", b"data: []\n\n", b"data: " + b"x" * (2 << 20) + b"\n\n"):
        def speak(handler, parts):
            handler.begin_stream("text/event-stream")
            handler.chunk(chunk)
            handler.end_stream()
            return True

        stand.hooks["GET events"] = speak
        code, out, err = cli("events", "--from", "1")
        assert code == 1 and "not what granary's API promises" in err, (code, err)


def a_token_goes_to_tcp_and_is_checked(cli, stand):
    path = os.path.join(stand.folder, "token")
    with open(path, "w") as file:
        file.write("secret-token\n")
    assert cli("pool", "--token-file", path)[0] == 0
    assert stand.requests[-1][3]["Authorization"] == "Bearer secret-token"
    assert cli("pool", env={"GRANARY_TOKEN": "other"})[0] == 0
    assert stand.requests[-1][3]["Authorization"] == "Bearer other"
    code, _, err = cli("pool", env={"GRANARY_TOKEN": "a\nX-Evil: 1"})
    assert code == 2 and "a character that no token has" in err, err
    assert cli("pool", "--token-file", "/no/such")[0] == 3


def output_that_cannot_be_written_is_a_failure(cli, stand):
    some_jobs(stand)
    stand.write(5, b"x" * 100000)
    for words in (["ps"], ["ps", "-o", "json"], ["show", "5"], ["pool"], ["submit", "x"],
                  ["logs", "--stream", "out", "3"], ["nodes", "-o", "csv"]):
        stand.write(3, b"x" * 100)
        with open("/dev/full", "w") as full:
            code, _, err = cli(*words, stdout=full)
        assert code == 1 and "No space left on device" in err, (words, code, err)


NODES = [
    {"name": "host", "site": "local", "state": "up", "variant": None, "pretend": False,
     "devices": 0, "free_milli": [], "out": [], "cpu": 2.0, "cpu_free": 0.5, "memory_mib": 23000,
     "memory_free_mib": 1000, "jobs": 3, "why": None},
    {"name": "pretend/h20-0", "site": "pretend", "state": "drained", "variant": "h20",
     "pretend": True, "devices": 8, "free_milli": [1000, 1000, 250, 0, 0, 0, 0, 0], "out": [7],
     "cpu": 128, "cpu_free": 96, "memory_mib": 1048576, "memory_free_mib": 1048576, "jobs": 1,
     "why": "new \x1b[31mfans on Friday"}]

DEVICES = [
    {"node": "pretend/h20-0", "index": 0, "variant": "h20", "name": "H20", "vendor": "NVIDIA",
     "uuid": "", "address": "", "pretend": True, "health": "good", "code": "", "problem": "",
     "free_milli": 250, "out": False, "memory_mib": 98304, "memory_used_mib": None,
     "utilisation": None, "temperature": None, "power_mw": None, "ecc_errors": None, "xid": None},
    {"node": "host/h200", "index": 3, "variant": "h200", "name": "NVIDIA H200",
     "vendor": "NVIDIA", "uuid": "GPU-1", "address": "0000:3b:00.0", "pretend": False,
     "health": "repair", "code": "xid-79", "problem": "the card fell off the bus",
     "free_milli": 0, "out": True, "memory_mib": 144384, "memory_used_mib": 1234,
     "utilisation": 97, "temperature": 61, "power_mw": 412000, "ecc_errors": 0, "xid": 79}]

TESTS = [
    every_help_fits_100_columns_and_every_command_is_listed,
    an_unknown_command_names_the_nearest,
    without_a_daemon_it_says_what_was_tried_and_what_to_type,
    tables_are_as_they_were,
    csv_and_json_hold_every_row_exactly,
    a_formula_in_a_name_stays_text_in_csv,
    lists_page_until_they_have_what_was_asked_for,
    filters_are_sent_and_checked,
    a_job_is_named_by_number_element_last_or_beginning_of_its_name,
    submit_sends_the_command_and_what_is_the_users,
    what_goes_along_can_be_chosen,
    options_beat_the_file_and_the_files_paths_begin_at_its_folder,
    jobs_of_one_file_wait_for_one_another,
    what_is_wrong_is_found_before_it_is_sent,
    the_same_key_submits_once,
    submit_wait_ends_as_the_job_ends,
    bulk_lines_are_answered_one_by_one,
    run_keeps_streams_apart_and_returns_the_exit_code,
    run_follows_the_next_attempt,
    the_first_interrupt_stops_and_the_second_leaves,
    run_outlives_a_daemon_that_is_started_anew,
    logs_copy_both_streams_and_mark_tasks,
    logs_f_waits_for_the_start_and_follows,
    stop_sends_signal_and_grace,
    nodes_are_taken_out_and_put_back,
    apply_checks_the_file_and_says_what_changed,
    events_show_history_and_end,
    watch_on_a_pipe_prints_only_what_changed,
    watch_on_a_terminal_draws_over_the_old_picture,
    show_watch_ends_with_the_job,
    every_refusal_has_its_exit_code_and_its_hint,
    rubbish_is_named_as_such,
    a_reply_that_is_too_large_is_not_taken,
    a_write_is_sent_again_only_with_the_same_key,
    events_go_on_where_they_broke,
    rubbish_in_a_stream_is_an_error,
    a_token_goes_to_tcp_and_is_checked,
    output_that_cannot_be_written_is_a_failure,
]

if __name__ == "__main__":
    sys.exit(standin.main(TESTS, os.path.abspath(sys.argv[1])))
