#!/usr/bin/env python3
"""Trivial jobs a second through granary and through a real Slurm, in turns on this machine.

    slurm.py [--program GRANARY] [--only WORD] [--jobs N] [--long] | --list

Both take the same jobs as one array of /bin/true, both with the settings that their documentation
names for many short jobs, and both count from the first submission until the last job has ended.
Slurm comes from ../shared/slurm/up (Debian's packages); where it is not there, nothing is measured.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
UP = ROOT.parent / "shared/slurm/up"
FIGURE = ("slurm_jobs_ratio", "jobs/job", "limit", 1)
RUNS = 5
# Slurm's guide for high throughput: schedule on a timer and not at each submission, keep no
# accounting and little of ended jobs, log little, start many jobs at a time.
SETTINGS = """\
SchedulerType=sched/builtin
SchedulerParameters=defer,batch_sched_delay=1,sched_interval=1,sched_min_interval=100000,\
default_queue_depth=10000,partition_job_depth=0,max_rpc_cnt=150
PriorityType=priority/basic
PreemptType=preempt/none
PreemptMode=OFF
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=10
MaxArraySize=20000
MaxJobCount=40000
SlurmctldDebug=error
SlurmdDebug=error
ProctrackType=proctrack/pgid
"""


def is_there():
    tools = all(shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
                for name in ("slurmctld", "slurmd", "munged", "sbatch"))
    return tools and UP.exists()


class Slurm:
    def __init__(self, folder):
        self.folder = folder / "slurm"
        conf = folder / "settings"
        conf.write_text(SETTINGS)
        with open(folder / "slurm.log", "w", encoding="utf-8") as log:
            subprocess.run([UP, "-n", "h20:4:8", "-p", "17800", "-c", conf, self.folder],
                           check=True, stdout=log, stderr=log)
        self.env = dict(os.environ, SLURM_CONF=str(self.folder / "etc/slurm.conf"))
        self.run(1)  # the first batch job after a start waits some seconds

    def count(self):
        done = subprocess.run(["squeue", "-h", "-r", "-t", "PD,R,CG", "-o", "%i"], env=self.env,
                              check=True, stdout=subprocess.PIPE)
        return len(done.stdout.split())

    def run(self, jobs):
        """Seconds from the first submission until the last job has ended."""
        begin = time.monotonic()
        subprocess.run(["sbatch", "-Q", f"--array=1-{jobs}", "-n1", "-t5", "-o", "/dev/null",
                        "--wrap", "/bin/true"], env=self.env, check=True,
                       stdout=subprocess.DEVNULL, cwd="/")
        while self.count() > 0:
            time.sleep(0.05)
        return time.monotonic() - begin

    def close(self):
        subprocess.run([UP.parent / "down", "-p", self.folder], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Granary:
    def __init__(self, folder, program):
        self.program = program
        self.state = folder / "granary"
        self.socket = folder / "socket"
        self.spec = folder / "job.json"
        self.daemon = subprocess.Popen([program, "serve", "--quiet", "--state", self.state,
                                        "--socket", self.socket, "--listen", "none"])
        for _ in range(1000):
            if self.daemon.poll() is not None:
                sys.exit("slurm.py: the daemon has ended")
            try:
                self.ask("/v1/health")
                break
            except OSError:
                time.sleep(0.01)
        self.run(1)

    def ask(self, path):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.socket))
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                         .encode())
            reply = b""
            while part := link.recv(65536):
                reply += part
        return json.loads(reply.partition(b"\r\n\r\n")[2])

    def run(self, jobs):
        """Seconds from the first submission until the last job has ended."""
        self.spec.write_text(json.dumps({
            "command": ["/bin/true"], "cpu": 0.01, "memory": "0", "output": "/dev/null",
            "array": {"first": 1, "last": jobs}}))
        begin = time.monotonic()
        subprocess.run([self.program, "submit", "--server", f"unix:{self.socket}", "-f", self.spec],
                       check=True, stdout=subprocess.DEVNULL)
        while any(self.ask("/v1/pool")["jobs"].values()):
            time.sleep(0.05)
        return time.monotonic() - begin

    def close(self):
        self.daemon.send_signal(signal.SIGUSR1)
        self.daemon.wait()


def measure(program, jobs):
    """Jobs a second of both, in turns; prints the figure."""
    folder = Path(tempfile.mkdtemp(prefix="granary-slurm-",
                                   dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    os.chmod(folder, 0o755)
    ratios, slurm, granary = [], None, None
    try:
        slurm = Slurm(folder)
        granary = Granary(folder, program)
        for _ in range(RUNS):
            theirs = jobs / slurm.run(jobs)
            ours = jobs / granary.run(jobs)
            print(f"# slurm {theirs:.1f} jobs/s, granary {ours:.1f} jobs/s", file=sys.stderr)
            ratios.append(ours / theirs)
    finally:
        if granary is not None:
            granary.close()
        if slurm is not None:
            slurm.close()
        shutil.rmtree(folder, ignore_errors=True)
    name, unit, to, limit = FIGURE
    value = statistics.median(ratios)
    print(f"{name} {value:.4g} {unit} ratio-to {to} {value / limit:.4g} "
          f"(runs: {RUNS}, spread: {min(ratios):.4g}..{max(ratios):.4g})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "build/granary"))
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.list:
        print(*FIGURE)
    elif not is_there():
        print("slurm_jobs_ratio: skipped, no Slurm is installed here", file=sys.stderr)
    elif args.only in FIGURE[0]:
        measure(args.program, args.jobs or (2000 if args.long else 200))


if __name__ == "__main__":
    main()
