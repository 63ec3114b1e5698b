"""`granary catalogue` as a user meets it: what it prints, and its exit code for what goes wrong.

Run by meson with the program as its only argument.
"""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ROOT / "data/accelerators.csv"
GRANARY = ""


def run(*words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL):
    """Runs the command; returns exit code, output, errors."""
    done = subprocess.run([GRANARY, "catalogue", *words], stdin=stdin, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=60)
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def fails(words, text):
    code, out, err = run(*words)
    assert code == 2 and out == "", (words, code, out)
    assert err == f"granary catalogue: {text}\n", (words, err)


def with_file(content, test):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        path.write_bytes(content)
        test(str(path))


def the_list_is_at_most_100_columns_wide_and_has_no_zero_for_a_blank():
    code, out, err = run()
    assert code == 0 and err == "", err
    lines = out.splitlines()
    assert max(len(line) for line in lines) <= 100
    rows = [line.split() for line in lines[2:lines.index("")]]
    assert len(rows) == 107
    assert not any(cell in ("0", "~0") for row in rows for cell in row)
    h20 = next(row for row in rows if row[0] == "h20")
    assert h20 == ["h20", "NVIDIA", "96", "4000", "148", "296", "296", "-", "37", "400", "2023",
                   "~12000"], h20


def show_says_unknown_and_explains_sources():
    code, out, _ = run("show", "h20")
    assert code == 0
    assert "\n  FP4 dense           unknown\n" in out, out
    assert "\n  FLOP per byte       37  " in out, out
    assert "E: Epoch AI" in out and "see also" in out and "h20-141" in out, out
    assert max(len(line) for line in out.splitlines()) <= 100


def several_are_compared_side_by_side():
    _, out, _ = run("show", "h20", "h100")
    assert out.split("\n")[0].split() == ["h20", "h100"], out
    assert "19.45" in out and "2.91 ~" in out, out


def filters_leave_out_what_is_unknown_and_count_it():
    _, out, _ = run("--vendor", "bytedance", "--min-memory-gib", "1")
    assert out.startswith("0 of 107 variants; 1 more left out because"), out
    _, out, _ = run("--kind", "h200|h100", "--sort", "memory", "-o", "json")
    assert [row["id"] for row in json.loads(out)] == ["nv-h100", "nv-h200"]


def json_has_null_where_unknown_and_exact_numbers():
    code, out, _ = run("-o", "json")
    rows = {row["id"]: row for row in json.loads(out)}
    assert code == 0 and out.endswith("\n") and len(rows) == 107
    assert rows["nv-h20-96"]["fp4_tflops"] is None
    assert rows["nv-h20-96"]["flop_per_byte"] == 37
    assert rows["amd-mi300x"]["fp16_tflops"] == 1307.4
    assert rows["bd-seed"]["memory_gib"] is None and rows["bd-seed"]["memory_type"] is None
    shipped = csv.DictReader(io.StringIO(SHIPPED.read_text()))
    for row in shipped:
        for column in ("memory_gib", "bandwidth_gbs", "tpp", "price_usd", "year", "die_mm2"):
            wanted = float(row[column]) if row[column] else None
            assert rows[row["id"]][column] == wanted, (row["id"], column)


def csv_is_the_file_again():
    _, out, _ = run("-o", "csv")
    assert out.encode() == SHIPPED.read_bytes()
    with SHIPPED.open("rb") as file:
        code, again, _ = run("--file", "/dev/stdin", "-o", "csv", stdin=file)
    assert code == 0 and again == out


def kinds_are_listed_in_every_form():
    _, out, _ = run("kinds")
    assert "any-h20" in out and "in order: h20 h20-141" in out, out
    _, out, _ = run("kinds", "-o", "json")
    kinds = {kind["name"]: kind for kind in json.loads(out)}
    assert kinds["any-decoder"]["order"] == "cheapest"
    assert kinds["any-decoder"]["variants"][0] == "nv-h20-96"
    _, out, _ = run("kinds", "-o", "csv")
    assert next(csv.DictReader(io.StringIO(out)))["name"] == "any-v100"


def a_wrong_command_line_says_what_to_do():
    fails(["--vendr", "x"], "there is no option --vendr, perhaps --vendor is meant; --help lists them")
    fails(["--vendor", "nvidai"], "--vendor: found 'nvidai', expected perhaps NVIDIA")
    fails(["show"], "show: found no name, expected at least one (h20)")
    fails(["show", "h2o"], "there is no variant or kind 'h2o', perhaps 'h20' is meant")
    fails(["kinds", "--name", "x"], "found a filter with 'kinds', expected it with the list only")
    fails(["--min-memory-gib", "1e3"],
          "--min-memory-gib: found '1e3', expected a number from 0 to 1000000000")
    fails(["h20"], "found 'h20', expected show NAME, kinds, or options that filter the list; "
          "perhaps: granary catalogue show h20")


def a_wrong_file_names_line_and_column():
    good = SHIPPED.read_bytes()

    def refuses(content, place, words):
        def test(path):
            code, out, err = run("--file", path)
            assert code == 2 and out == "", (code, out)
            assert err.startswith(f"granary catalogue: {path}:{place}: ") and words in err, err
        with_file(content, test)

    refuses(b"", "1:1", "an empty file")
    refuses(good[:9000], "44:1", "a last line that is cut off")
    refuses(good.replace(b"tdp_w", b"watts", 1), "1:159", "the unknown column 'watts'")
    refuses(good.replace(b",96,HBM3,4000,", b",0,HBM3,4000,", 1), "26:66",
            "column 'memory_gib': found '0'")
    refuses(good.replace(b"Hopper", b"Hop\xffer", 1), "22:50", "the byte 0xff")
    refuses(good.replace(b",v100-pcie;", b",v100;", 1), "5:17", "found 'v100' again")
    fails(["--file", "/dev/null"],
          "/dev/null:1:1: found an empty file, expected a first line that names the columns")
    fails(["--file", "/dev/zero"], "/dev/zero:1:1: found a NUL character, expected text")
    fails(["--file", "/"], "/: is a folder, expected a file")
    fails(["--file", "/no/such"], "open /no/such: No such file or directory")


def output_that_cannot_be_written_is_a_failure():
    for words in ([], ["-o", "json"], ["-o", "csv"], ["show", "h20"], ["kinds"], ["--help"]):
        with open("/dev/full", "w") as full:
            code, _, err = run(*words, stdout=full)
        assert code == 1, (words, code)
        assert err == "granary catalogue: write standard output: No space left on device\n", err


def a_closed_pipe_is_a_failure_or_a_signal():
    reading, writing = os.pipe()
    os.close(reading)
    code, _, err = run("-o", "json", stdout=writing)
    os.close(writing)
    # python starts programs with SIGPIPE as it was by default
    assert code in (1, -signal.SIGPIPE), (code, err)


TESTS = [the_list_is_at_most_100_columns_wide_and_has_no_zero_for_a_blank,
         show_says_unknown_and_explains_sources, several_are_compared_side_by_side,
         filters_leave_out_what_is_unknown_and_count_it,
         json_has_null_where_unknown_and_exact_numbers, csv_is_the_file_again,
         kinds_are_listed_in_every_form, a_wrong_command_line_says_what_to_do,
         a_wrong_file_names_line_and_column, output_that_cannot_be_written_is_a_failure,
         a_closed_pipe_is_a_failure_or_a_signal]


def main():
    global GRANARY
    GRANARY = sys.argv[1]
    failed = 0
    for test in TESTS:
        # The lines are cmocka's, so that the sum counts each case.
        print(f"[ RUN      ] {test.__name__}")
        try:
            test()
            print(f"[       OK ] {test.__name__}")
        except AssertionError as error:
            print(error)
            print(f"[  FAILED  ] {test.__name__}")
            failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
