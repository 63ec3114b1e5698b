"""Runs a test program as an ordinary user: as_nobody.py PROGRAM.

As root, as nobody, from a copy that nobody may read; else as whoever it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile

NOBODY = 65534


def main(program):
    if os.geteuid() != 0:
        return subprocess.call([program])
    with tempfile.TemporaryDirectory(prefix="granary-nobody-") as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copy(program, folder)
        os.chmod(copy, 0o755)
        return subprocess.call([copy], cwd="/", user=NOBODY, group=NOBODY, extra_groups=[],
                               env={**os.environ, "HOME": "/"})


sys.exit(main(sys.argv[1]))
