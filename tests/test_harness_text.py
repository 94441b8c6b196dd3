"""Blocks of bytes -> chunks of whole lines, wherever the blocks are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ParseError
from harness.parse import text


def chunks(blocks):
    found = []

    def line():
        return 1 + sum(chunk.joined().count(b"\n") for chunk in found)

    found.extend(text.chunks(blocks, source="a.log", line=line))
    return found


@given(st.lists(st.text("a\n\r", max_size=12).map(str.encode), max_size=12), st.integers(1, 9))
def test_chunks_are_whole_lines_and_the_text_is_all_there(blocks, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "CHUNK_BYTES", size)
        found = chunks(blocks)
    assert b"".join(chunk.joined() for chunk in found) == b"".join(blocks)
    assert [chunk.size for chunk in found] == [len(chunk.joined()) for chunk in found]
    assert all(chunk.size for chunk in found)
    assert all(chunk.joined().endswith(b"\n") == chunk.is_whole() for chunk in found)
    assert all(chunk.is_whole() for chunk in found[:-1])
    assert not found or found[-1].is_whole() or b"\n" not in found[-1].joined()


def test_the_text_between_two_seams_is_not_copied(monkeypatch):
    monkeypatch.setattr(text, "CHUNK_BYTES", 8)
    blocks = [b"one\ntwo\nth", b"ree\nfour\nfi", b"ve\n"]
    _, second, third = chunks(blocks)
    assert (second.seam, second.block[second.start : second.end]) == (b"three\n", b"four\n")
    assert second.block is blocks[1]
    assert (third.seam, third.start, third.end) == (b"five\n", 3, 3)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_nul_byte_is_found_on_its_line_wherever_blocks_are_cut(at, monkeypatch):
    monkeypatch.setattr(text, "CHUNK_BYTES", 1)
    data = b"one\ntwo\nth\0ree\n"
    with pytest.raises(ParseError) as info:
        chunks([data[:at], data[at:]])
    assert info.value.line == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("10%" + "\b" * 3 + "20%\n", ["10%\n", "20%\n"]),
        ("at 10%" + "\b" * 3 + "20%\n", ["at 20%\n"]),
        ("at " + "=" * 30 + "\b" * 30 + "next\n", ["at " + "=" * 30 + "\n", "next\n"]),
        ("10%" + "\b" * 3 + "\r20%\n", ["10%\n", "20%\n"]),
        ("10%" + "\b" * 3 + "\n", ["10%\n"]),
        ("10%" + "\b" * 9 + "20%", ["10%\n", "20%"]),
    ],
)
def test_backspaces_overwrite_what_is_before_them(line, expected):
    assert text.pieces(line) == expected
