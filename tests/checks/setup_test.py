"""tools/setup on machines that are acted: fake dpkg-query, apt-get, sudo and id in $PATH say what a
machine has and write down what they were asked to do. Nothing is installed.

Also: every library that meson.build asks for is in the list of packages, and the other way round.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tree

SETUP = tree.ROOT / "tools/setup"
# What meson.build calls a library, and the package that holds it.
LIBRARIES = {"m": "libc6-dev", "threads": "libc6-dev", "jansson": "libjansson-dev",
             "libsodium": "libsodium-dev", "glpk": "libglpk-dev", "cmocka": "libcmocka-dev",
             "yaml-0.1": "libyaml-dev", "sqlite3": "libsqlite3-dev",
             "libmicrohttpd": "libmicrohttpd-dev", "libcurl": "libcurl4-gnutls-dev", "zlib": "zlib1g-dev"}
REAL = ["sh", "sed", "awk", "wc", "tr", "tail", "cat", "mktemp", "rm", "env", "printf", "grep"]


class Machine:
    """A folder of programs that act as a machine with these packages and this user."""

    def __init__(self, folder, installed, uid=0, sudo=False, apt=True, update=0, install=0):
        self.bin = Path(folder, "bin")
        self.log = Path(folder, "log")
        self.state = Path(folder, "installed")
        self.bin.mkdir()
        self.log.write_text("")
        self.state.write_text("".join(f"{name}\n" for name in installed))
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name))
        self.program("id", f"echo {uid}")
        if sudo:
            self.program("sudo", f'echo sudo >>{self.log}; exec "$@"')
        if apt:
            self.program("dpkg-query", f'for last; do :; done; grep -qx -- "$last" {self.state} '
                                       "|| exit 1; printf installed")
            self.program("apt-get", f"""echo "apt-get $*" >>{self.log}
case " $* " in
*" update "*) exit {update} ;;
*" install "*)
    [ {install} -eq 0 ] || {{ echo 'E: no such mirror'; exit {install}; }}
    for word; do echo "$word" >>{self.state}; done ;;
esac""")

    def program(self, name, body):
        path = self.bin / name
        path.write_text(f"#!{shutil.which('sh')}\n{body}\n")
        path.chmod(0o755)

    def run(self, *args):
        """(exit status, what it printed, what apt-get and sudo were asked)."""
        self.log.write_text("")
        done = subprocess.run([shutil.which("sh"), str(SETUP), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={"PATH": str(self.bin), "TMPDIR": tempfile.gettempdir()})
        return done.returncode, done.stdout.decode(), self.log.read_text()


def packages():
    done = subprocess.run(["sh", str(SETUP), "--list"], stdout=subprocess.PIPE, check=True)
    return [line.split()[0] for line in done.stdout.decode().splitlines()]


def on_machine(test, **kinds):
    with tempfile.TemporaryDirectory() as folder:
        test(Machine(folder, **kinds))


def does_nothing_when_all_is_there(names):
    def test(machine):
        status, out, asked = machine.run()
        assert status == 0 and "nothing to do" in out and asked == "", (status, out, asked)
    on_machine(test, installed=names)
    on_machine(test, installed=names, uid=1000)


def installs_only_what_is_missing_and_then_nothing(names):
    def test(machine):
        status, out, asked = machine.run()
        assert status == 0, out
        assert "libglpk-dev" in out and "linear programs" in out, out
        wanted = asked.splitlines()[-1].split("--no-install-recommends ")[1].split()
        assert wanted == ["gcc", "libglpk-dev"], asked
        assert "sudo" not in asked
        status, out, asked = machine.run()
        assert status == 0 and "nothing to do" in out and asked == "", (status, out, asked)
    on_machine(test, installed=[n for n in names if n not in ("gcc", "libglpk-dev")])


def goes_through_sudo_where_the_user_is_not_root(names):
    def test(machine):
        status, _, asked = machine.run()
        assert status == 0 and asked.count("sudo\n") == 2, asked
    on_machine(test, installed=names[1:], uid=1000, sudo=True)


def names_the_command_where_there_is_neither_root_nor_sudo(names):
    def test(machine):
        status, out, asked = machine.run()
        assert status == 1 and asked == "", asked
        assert f"apt-get install --no-install-recommends {names[0]}" in out, out
    on_machine(test, installed=names[1:], uid=1000)


def says_so_where_there_is_no_apt(_names):
    def test(machine):
        status, out, _ = machine.run()
        assert status == 1 and "no apt-get" in out, out
    on_machine(test, installed=[], apt=False)


def fails_with_apts_own_words_if_nothing_can_be_fetched(names):
    def test(machine):
        status, out, _ = machine.run()
        assert status == 1 and "no such mirror" in out and "mirror in /etc/apt" in out, out
    on_machine(test, installed=names[1:], update=100, install=100)


def goes_on_with_old_lists_if_the_update_fails(names):
    def test(machine):
        status, out, _ = machine.run()
        assert status == 0 and "update failed" in out, out
    on_machine(test, installed=names[1:], update=100)


def refuses_words_it_does_not_know(names):
    def test(machine):
        status, out, asked = machine.run("--lits")
        assert status == 2 and "usage" in out and asked == "", out
    on_machine(test, installed=names[1:])


def libraries_and_packages_agree(names):
    text = (tree.ROOT / "meson.build").read_text()
    asked = re.findall(r"(?:dependency|find_library)\('([^']+)'", text)
    for library in asked:
        assert LIBRARIES.get(library) in names, f"meson.build needs {library}: add its package to " \
            "tools/setup, and both to LIBRARIES in this file"
    wanted = {LIBRARIES[library] for library in asked}
    for name in names:
        if re.fullmatch(r"lib(?!clang)\w+-dev", name):
            assert name in wanted, f"tools/setup installs {name}, but meson.build does not ask for it"


TESTS = [does_nothing_when_all_is_there, installs_only_what_is_missing_and_then_nothing,
         goes_through_sudo_where_the_user_is_not_root,
         names_the_command_where_there_is_neither_root_nor_sudo, says_so_where_there_is_no_apt,
         fails_with_apts_own_words_if_nothing_can_be_fetched,
         goes_on_with_old_lists_if_the_update_fails, refuses_words_it_does_not_know,
         libraries_and_packages_agree]


def main():
    failed = 0
    names = packages()
    for test in TESTS:
        # The lines are cmocka's, so that the sum counts each case.
        print(f"[ RUN      ] {test.__name__}")
        try:
            test(names)
            print(f"[       OK ] {test.__name__}")
        except AssertionError as error:
            print(error)
            print(f"[  FAILED  ] {test.__name__}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
