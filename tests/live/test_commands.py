"""The user's programs: bounded, and none of them through a shell."""

import sys
import time

from meshsim.live.commands import run


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program_gives_its_code_output_and_error():
    ran = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (ran.code, ran.out, ran.err) == (3, b"out\n", "err\n")


def test_what_does_not_end_is_ended_with_what_it_started():
    begun = time.monotonic()
    ran = run(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.3)
    assert (ran.code, ran.err) == (124, "no answer within 0.3 s")
    assert time.monotonic() - begun < 10


def test_what_says_too_much_is_ended():
    assert run(python("while True: print('x' * 10000)"), most=100_000).code == 125


def test_a_program_that_is_not_there_is_said():
    assert run(["meshsim-has-no-such-program"]).err == "meshsim-has-no-such-program: No such file or directory"


def test_no_word_is_read_by_a_shell():
    assert run(["echo", "$(id); `id` && id"]).out == b"$(id); `id` && id\n"
