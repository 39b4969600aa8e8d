"""Starts ministack without three waits that only an emulator has, so that what is measured on it is
what was asked of it: answers in two segments, which delayed acknowledgements hold up; a wait for a
first line of a log; and a pause before each run of a state machine."""

import socketserver
import time
import types

import ministack.core.lambda_runtime as runtimes
import ministack.services.stepfunctions as machines

PAUSE_BEFORE_A_MACHINE = 0.15

socketserver.StreamRequestHandler.wbufsize = -1
socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def drain_what_is_there(worker, *_args, **_kwargs):
    return worker._drain_stderr()


runtimes.ProvidedWorker._drain_stderr_bounded = drain_what_is_there


def sleep_unless_pause(seconds):
    if seconds != PAUSE_BEFORE_A_MACHINE:
        time.sleep(seconds)


machines.time = types.SimpleNamespace(**{**vars(time), "sleep": sleep_unless_pause})

if __name__ == "__main__":
    from ministack.app import main

    main()
