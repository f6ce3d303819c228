"""Run many command lines of `pipeline.stages.train`, each in a process forked after the imports.

Started in a checkout, whose code it runs. Reads a JSON list of words per line, and answers each
with a JSON list: exit code, what was printed, what was printed as errors. Whoever takes longer
than `SECONDS` is interrupted, as by Ctrl-C.
"""

import json
import os
import signal
import sys
import tempfile

sys.path.insert(0, os.getcwd())

from hydra.core.plugins import Plugins

from pipeline.stages import train

SECONDS = 20


def run(words: list[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()  # workers are interrupted, too
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _become(words)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGINT))
        signal.alarm(SECONDS)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        signal.alarm(0)
        for stream in (out, err):
            stream.seek(0)
        return code, out.read().decode(), err.read().decode()


def _become(words: list[str]) -> None:
    code = 1
    try:
        sys.argv[1:] = words
        train.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    Plugins.instance()  # found once
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
