"""Runs commands of `iqstream`, each in a process of its own that is forked after the imports: a start takes no time.

Reads a list of [arguments, output] as JSON on standard input; writes [exit code, standard output, standard error] of
each on standard output. `output` is an encoding, `full` (a full device) or `closed`.
"""

import io
import json
import os
import sys
import tempfile

import iqstream.cli.dataset_upkeep
import iqstream.cli.datasets
import iqstream.cli.dead_letters
import iqstream.cli.export
import iqstream.cli.generate
import iqstream.cli.lag
import iqstream.cli.replay
import iqstream.cli.stack
import iqstream.cli.stream
import iqstream.verify.verify  # noqa: F401  # for the fork
from iqstream.cli.main import main


def run(arguments, output):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            become(arguments, output, out.fileno(), err.fileno())
            sys.exit(main())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [os.pread(file.fileno(), 10_000_000, 0).decode("utf-8", "surrogateescape") for file in (out, err)]
        return [code, *texts]


def become(arguments, output, out, err):
    """As if the interpreter had been started with these streams."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open("/dev/full", os.O_WRONLY) if output == "full" else out, 1)
    os.dup2(err, 2)
    encoding = output if output not in {"full", "closed"} else "utf-8"
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "wb", closefd=False), encoding, "backslashreplace", line_buffering=True)
    if output == "closed":
        os.close(1)
        sys.stdout = None
    else:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "wb", closefd=False)), encoding)
    sys.argv = ["iqstream", *arguments]


if __name__ == "__main__":
    sys.stdout.write(json.dumps([run(*command) for command in json.load(sys.stdin)]))
