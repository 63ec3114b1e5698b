"""Tokens of the API, pages of lists, and what a dry run of ending a pool says. Run by meson with the
program; by hand also with the names of cases."""

import json
import os
import subprocess
import sys

from pool import NOBODY, Pool, cases_of, main, need_root


def _granary(pool, *words):
    return subprocess.run([Pool.program, *words, "--server", "unix:" + pool.socket],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)


def _whoami(pool, token):
    reply = pool.tcp("GET", "/v1/whoami", token=False, headers={"Authorization": f"Bearer {token}"})
    return reply.json() if reply.status == 200 else reply.status


def _tcp(pool, method, path, bearer, body=None):
    headers = {**bearer, "Content-Type": "application/json"}
    return pool.tcp(method, path, None if body is None else json.dumps(body), headers, token=False)


def a_token_is_shown_once_kept_as_a_hash_and_ends_when_it_is_removed():
    with Pool() as pool:
        done = _granary(pool, "token", "add", "ci", "--user", "uid-54321")
        assert done.returncode == 0 and "only now" in done.stderr, done
        token = done.stdout.strip()
        assert token.startswith("granary_") and len(done.stdout.splitlines()) == 1, done
        me = _whoami(pool, token)
        assert me["uid"] == 54321 and me["operator"] is False, me
        for name in os.listdir(pool.state):
            path = os.path.join(pool.state, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    assert token.encode() not in file.read(), name
        listed = pool.get("/v1/tokens")["tokens"]
        assert [one["name"] for one in listed] == ["first operator", "ci"], listed
        assert "token" not in listed[1] and listed[1]["uid"] == 54321, listed
        done = _granary(pool, "token", "list", "-o", "csv")
        assert done.stdout.splitlines()[0] == "name,user,uid,operator,since", done
        assert token not in done.stdout
        done = _granary(pool, "token", "add", "ci")
        assert done.returncode == 6 and "there already" in done.stderr, done
        assert _granary(pool, "token", "remove", "--dry-run", "ci").stdout == \
            "would remove 1 token named ci\n"
        assert _whoami(pool, token)["uid"] == 54321
        assert _granary(pool, "token", "remove", "ci").stdout == "removed 1 token named ci\n"
        assert _whoami(pool, token) == 401
        assert _granary(pool, "token", "remove", "ci").returncode == 3


def a_token_for_an_operator_may_do_what_operators_do():
    with Pool() as pool:
        made = pool.ask("POST", "/v1/tokens", {"name": "boss", "operator": True})
        assert made.status == 201, made
        bearer = {"Authorization": "Bearer " + made.json()["token"]}
        made = pool.ask("POST", "/v1/tokens", {"name": "clerk"})
        clerk = {"Authorization": "Bearer " + made.json()["token"]}
        assert made.json()["uid"] == os.geteuid(), made
        body = {"name": "third"}
        reply = _tcp(pool, "POST", "/v1/tokens?dry_run=true", bearer, body)
        assert reply.status == 200 and "token" not in reply.json(), reply
        assert _tcp(pool, "POST", "/v1/tokens", bearer, body).status == 201
        for method, path in (("GET", "/v1/tokens"), ("POST", "/v1/tokens"),
                             ("POST", "/v1/tokens/boss/remove")):
            reply = _tcp(pool, method, path, clerk, body if method == "POST" else None)
            assert reply.status == 403, (path, reply)
        pool.restart()
        assert _whoami(pool, bearer["Authorization"].split()[1])["operator"] is True


def an_operators_token_makes_none_for_other_users():
    # It would run jobs as any of them, root too.
    with Pool() as pool:
        made = pool.ask("POST", "/v1/tokens", {"name": "boss", "user": "uid-54321", "operator": True})
        bearer = {"Authorization": "Bearer " + made.json()["token"]}
        assert _whoami(pool, made.json()["token"])["operator"] is True
        for other in ("root", "uid-54322"):
            for query in ("", "?dry_run=true"):
                reply = _tcp(pool, "POST", "/v1/tokens" + query, bearer, {"name": "up", "user": other})
                assert reply.status == 403, (other, query, reply)
                assert reply.json()["error"]["field"] == "user", reply
        assert len(pool.get("/v1/tokens")["tokens"]) == 2
        for body in ({"name": "mine"}, {"name": "again", "user": "uid-54321", "operator": True}):
            reply = _tcp(pool, "POST", "/v1/tokens", bearer, body)
            assert reply.status == 201 and reply.json()["uid"] == 54321, (body, reply)


def a_wrong_token_is_refused_with_its_reason():
    with Pool() as pool:
        for body, status in (({}, 400), ({"name": 7}, 400), ({"name": ""}, 422),
                             ({"name": "x" * 64}, 422), ({"name": "a\nb"}, 422),
                             ({"name": "#x"}, 422), ({"name": "x", "operator": 1}, 400),
                             ({"name": "x", "user": "nobody-of-that-name"}, 422),
                             ({"name": "x", "user": 4}, 422), ({"name": "x", "role": "y"}, 400)):
            reply = pool.ask("POST", "/v1/tokens", body)
            assert reply.status == status, (body, reply)
        assert len(pool.get("/v1/tokens")["tokens"]) == 1
        assert _granary(pool, "token", "add").returncode == 2
        assert _granary(pool, "token", "burn", "x").returncode == 2


def an_ordinary_user_neither_sees_nor_makes_tokens():
    need_root()
    with Pool() as pool:
        assert pool.ask_as(NOBODY, "GET", "/v1/tokens").status == 403
        assert pool.ask_as(NOBODY, "POST", "/v1/tokens", {"name": "x", "operator": True}).status == 403
        assert pool.ask_as(NOBODY, "POST", "/v1/tokens/first%20operator/remove", {}).status == 403


def nodes_and_devices_come_in_pages():
    with Pool(pretend="120xh20,4xh200") as pool:
        for path, key, most in (("/v1/devices", "devices", 50), ("/v1/nodes", "nodes", 3)):
            seen = []
            query = f"?limit={most}"
            while True:
                page = pool.get(path + query)
                assert 0 < len(page[key]) <= most, page
                seen += page[key]
                if page["next"] is None:
                    break
                assert len(page[key]) == most
                query = f"?limit={most}&after={page['next']}"
            whole = pool.get(path + "?limit=1000")
            assert whole["next"] is None
            names = [(one.get("node"), one.get("index"), one.get("name")) for one in seen]
            assert names == [(one.get("node"), one.get("index"), one.get("name"))
                             for one in whole[key]]
            assert len(set(names)) == len(names)
        assert len(pool.get("/v1/devices")["devices"]) == 100
        filtered = pool.get("/v1/nodes?site=pretend&limit=2")
        assert [one["site"] for one in filtered["nodes"]] == ["pretend"] * 2 and filtered["next"]
        for bad in ("limit=0", "limit=1001", "after=0", "after=x"):
            assert pool.ask("GET", "/v1/devices?" + bad).status == 400, bad
        done = _granary(pool, "devices", "-o", "csv")
        assert len(done.stdout.splitlines()) >= 125, len(done.stdout.splitlines())


def a_dry_run_of_the_end_says_what_would_become_of_the_jobs():
    with Pool() as pool:
        def end(*words):
            return subprocess.run([Pool.program, "serve", "--end", "--state", pool.state, *words],
                                  capture_output=True, text=True, timeout=60, check=False)

        done = end("--dry-run")
        assert done.returncode == 0 and done.stdout.endswith("its jobs would go on\n"), done
        done = end("--dry-run", "--stop-jobs")
        assert done.stdout.endswith("its jobs would be stopped\n"), done
        assert pool.ask("POST", "/v1/shutdown?dry_run=true", {"jobs": "stop"}).status == 200
        assert pool.get("/v1/health")["ok"] is True and pool.process.poll() is None
        done = subprocess.run([Pool.program, "serve", "--dry-run", "--state", pool.state],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and "--end" in done.stderr, done


def jobs_that_nobody_can_stop_are_not_passed_over():
    with Pool() as pool:
        def end():
            return subprocess.run([Pool.program, "serve", "--end", "--stop-jobs", "--state",
                                   pool.state], capture_output=True, text=True, timeout=60,
                                  check=False)

        assert pool.run()["state"] == "done"
        pool.end()
        assert end().returncode == 0  # the launcher is there, but no job
        pool.start()
        pool.wait(pool.submit("sleep 1000"), "running")
        pool.kill()
        done = end()
        assert done.returncode == 1 and "some may go on" in done.stderr, done
        pool.start()
        assert end().returncode == 0
        assert end().returncode == 0
        pool.process.wait()
        pool.process = None


def a_dry_run_without_a_daemon_writes_nothing():
    with Pool() as pool:
        assert pool.run()["state"] == "done"
        pool.end()

        def run(*words):
            return subprocess.run([Pool.program, *words], stdin=subprocess.DEVNULL, timeout=60,
                                  capture_output=True, text=True, check=False)

        def files(folder):
            # SQLite leaves two files beside a table that somebody reads.
            return sorted((path, sorted(name for name in names if not name.endswith(("-wal", "-shm"))))
                          for path, _, names in os.walk(folder))

        copy, other = pool.folder + "/copy", pool.folder + "/other"
        before = files(pool.state + "/journal")
        done = run("backup", "--dry-run", "--state", pool.state, copy)
        assert done.returncode == 0 and "would be copied" in done.stdout, done
        last = json.loads(run("journal", "verify", "--state", pool.state, "-o", "json").stdout)["last"]
        for words in (["snapshot"], ["seal", "--before", str(last)]):
            done = run("journal", *words, "--dry-run", "--state", pool.state, "-o", "json")
            assert done.returncode == 0 and json.loads(done.stdout)["dry_run"] is True, done
        assert files(pool.state + "/journal") == before and not os.path.exists(copy)
        assert run("backup", "--state", pool.state, copy).returncode == 0
        done = run("restore", "--dry-run", "--state", other, copy)
        assert done.returncode == 0 and "would be restored" in done.stdout, done
        assert not os.path.exists(other)
        assert run("restore", "--dry-run", "--state", pool.state, copy).returncode != 0


if __name__ == "__main__":
    sys.exit(main(cases_of(globals()), sys.argv[1:]))
