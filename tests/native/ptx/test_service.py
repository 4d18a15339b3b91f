"""The compiler process's answers, without the process."""

from __future__ import annotations

from native.ptx.service import Service

HEAD = ".version 8.0\n.target sm_80\n.address_size 64\n"
GOOD = HEAD + ".visible .entry first() { ret; }\n"
BAD = GOOD + ".visible .entry second() { bogus.u32 %r1; ret; }\n"


def answer(service: Service, verb: str, text: str) -> str:
    """The header of the answer to a request that carries its text."""
    return service.answer(f"{verb} {hash(text)} {len(text)}", text.encode())[0]


def test_a_check_finds_what_is_wrong_in_any_kernel() -> None:
    """It says what a compilation of that kernel would."""
    service = Service()
    assert answer(service, "check", GOOD) == "ok"
    assert answer(service, "scan", BAD).startswith("ok")
    assert answer(service, "check", BAD) == service.answer(f"compile {hash(BAD)} 1", b"")[0]
    assert answer(service, "check", BAD).startswith("error invalid\nline 5: in 'second'")


def test_a_check_of_an_unknown_program_asks_for_its_text() -> None:
    """The service keeps few programs; the driver sends the text again."""
    service = Service()
    assert service.answer("check nothing", b"") == ("unknown", b"")
    answer(service, "check", GOOD)
    assert service.answer(f"check {hash(GOOD)}", b"") == ("ok", b"")
