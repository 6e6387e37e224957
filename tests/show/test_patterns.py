"""Patterns of OSC addresses."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_runtime.show.patterns import SPECIAL, matcher

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

YES = [
    ("/a/b", "/a/b"),
    ("", ""),
    ("*", ""),
    ("*", "abc"),
    ("/*", "/a"),
    ("/*/*", "/a/b"),
    ("/**/b", "/a/b"),
    ("/a*c", "/abbbc"),
    ("/a*c", "/ac"),
    ("/*b*", "/abc"),
    ("/*a*a", "/aaa"),
    ("/?", "/a"),
    ("/a?c", "/abc"),
    ("/[abc]", "/b"),
    ("/[a-c]", "/b"),
    ("/[a-ce-g]x", "/fx"),
    ("/[0-9][0-9]", "/42"),
    ("/[!abc]", "/d"),
    ("/[!a-c]", "/d"),
    ("/[a!]", "/!"),
    ("/[a-]", "/-"),
    ("/[!-]", "/a"),
    ("/[0a-z0-9]", "/5"),
    ("/[aa-c]", "/b"),
    ("/[-a]", "/-"),
    ("/[[]", "/["),
    ("/{a,b}", "/b"),
    ("/{one,two}/x", "/two/x"),
    ("/{a,ab}c", "/abc"),
    ("/a{,b}", "/a"),
    ("/{str*}", "/str*"),
    ("/mirage/*/strength", "/mirage/wall/strength"),
    ("/mirage/{main,wall}/s[te]*", "/mirage/main/seed"),
    ("/ä?", "/äö"),
    ("/a.b", "/a.b"),
    ("/a\n", "/a\n"),
]
NO = [
    ("/a/b", "/a/b/"),
    ("/a/b", "/A/b"),
    ("", "/"),
    ("/*", "/a/b"),
    ("*", "/a"),
    ("/**", "/a/b"),
    ("/?", "/"),
    ("/?", "/ab"),
    ("/a?b", "/a/b"),
    ("/[abc]", "/d"),
    ("/[abc]", "/"),
    ("/[abc]", "/abc"),
    ("/[a-c]", "/d"),
    ("/[!abc]", "/b"),
    ("/[!abc]", "/"),
    ("/[!a-c]", "/b"),
    ("/[c-a]", "/b"),
    ("/[a-cabz]", "/q"),
    ("/[a-c]", "/-"),
    ("/a[!x]b", "/a/b"),
    ("/{a,b}", "/c"),
    ("/{a,b}", "/a,b"),
    ("/{a,b}", "/"),
    ("/a.b", "/axb"),
    ("/a", "/a\n"),
    ("/(a|b)", "/a"),
    ("/a+", "/aa"),
    ("/\\*", "/a"),
]
WRONG = ["/[a", "/a]", "/{a", "/a}", "/[]", "/[]a]", "/{a{b}}", "/[a/b]", "/{a,/b}", "[", "]", "{", "}", "/[!", "/{,"]


@pytest.mark.parametrize(("pattern", "address"), YES)
def test_a_pattern_matches(pattern: str, address: str) -> None:
    assert matcher(pattern)(address)


@pytest.mark.parametrize(("pattern", "address"), NO)
def test_a_pattern_does_not_match(pattern: str, address: str) -> None:
    assert not matcher(pattern)(address)


@pytest.mark.parametrize("pattern", WRONG)
def test_a_bracket_that_nothing_closes(pattern: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        matcher(pattern)


def test_a_pattern_is_made_once_and_used_for_many() -> None:
    matches = matcher("/mirage/*/s*")
    addresses = [
        "/mirage/main/seed",
        "/mirage/main/prompt",
        "/mirage/wall/strength",
        "/mirage/wall/strength/normalized",
    ]
    assert [matches(address) for address in addresses * 2] == [True, False, True, False] * 2


Token = tuple[str, str, tuple[str, ...]]
"""A kind, how it is written, and what it stands for."""


def fits(tokens: list[Token], address: str) -> bool:
    """The slow and simple way."""
    if not tokens:
        return not address
    (kind, _, texts), rest = tokens[0], tokens[1:]
    if kind == "star":
        part = address.partition("/")[0]
        return any(fits(rest, address[length:]) for length in range(len(part) + 1))
    if kind == "any":
        return address[:1] not in ("", "/") and fits(rest, address[1:])
    if kind == "not":
        return address[:1] not in ("", "/", *texts) and fits(rest, address[1:])
    return any(address.startswith(text) and fits(rest, address[len(text) :]) for text in texts)


LETTERS = "abc"
SETS = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=3, unique=True)
WORDS = st.lists(st.text(LETTERS, max_size=2), min_size=1, max_size=3)
TOKENS = st.one_of(
    st.just(("star", "*", ())),
    st.just(("any", "?", ())),
    st.just(("one", "[a-c]", ("a", "b", "c"))),
    st.just(("not", "[!b-c]", ("b", "c"))),
    SETS.map(lambda letters: ("one", f"[{''.join(letters)}]", tuple(letters))),
    SETS.map(lambda letters: ("not", f"[!{''.join(letters)}]", tuple(letters))),
    WORDS.map(lambda words: ("one", "{" + ",".join(words) + "}", tuple(words))),
    st.sampled_from([*LETTERS, "/"]).map(lambda letter: ("one", letter, (letter,))),
)


@unhurried
@given(st.lists(TOKENS, max_size=7), st.text(LETTERS + "/-", max_size=7))
def test_the_matcher_agrees_with_the_simple_way(tokens: list[Token], address: str) -> None:
    assert matcher("".join(text for _, text, _ in tokens))(address) == fits(tokens, address)


@unhurried
@given(st.text("ab/*?[]{},!-", max_size=12), st.text("ab/", max_size=6))
def test_any_pattern_matches_or_not_or_has_an_open_bracket(pattern: str, address: str) -> None:
    try:
        matches = matcher(pattern)
    except ValueError:
        assert SPECIAL & set(pattern)
        return
    assert matches(address) in (True, False)
    if not SPECIAL & set(pattern):
        assert matches(address) == (pattern == address)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("pattern", ["/" + "*" * 500, "/" + "*a" * 500, "/" + "*?" * 500, "/" + "{,a}" * 500 + "b"])
@pytest.mark.parametrize("address", ["/" + "a" * 150, "/mirage/main/transition/normalized"])
def test_a_pattern_of_500_stars_comes_to_an_end(pattern: str, address: str) -> None:
    assert matcher(pattern)(address) == (pattern == "/" + "*" * 500 and address.count("/") == 1)


def test_a_pattern_made_to_last_does_not() -> None:
    address = "/" + "a" * 60 + "/" + "a" * 60
    for pattern in ("/" + "*{,a}" * 40 + "b", "/" + "*a" * 90 + "/b", "/" + "[!b]*" * 40 + "/b"):
        for _ in range(500):
            assert not matcher(pattern)(address)


def test_a_set_of_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="not closed"):
        matcher("/a[!]")
