"""What is shown of other people's text: every character seen, no secret."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.log.shown import masked, printable, shown

SECRETS = (
    ("http://ann:s3cret@host/a.log", "http://***@host/a.log"),
    ("https://s3cret@host", "https://***@host"),
    ("http://ann:pa/s3cret@host:80/x", "http://***@host:80/x"),
    ("http://u:s3c'ret@host/a.log: no answer", "http://***@host/a.log: no answer"),
    ("s3://bucket/a.log?sig=s3cret&part=1", "s3://bucket/a.log?sig=***&part=***"),
    ("https://host/a.log?s3cret", "https://host/a.log?***"),
    ("http://a:s3cret@h/a.log,http://b:s3cret@h/b.log", "http://***@h/a.log,http://***@h/b.log"),
    ("host=h password='s3 cret' dbname=d", "host=h password=*** dbname=d"),
    ("http://host/x;sig=s3cret/y", "http://host/x;sig=***/y"),
    ("http:/ann:s3cret@host/x", "http:/***@host/x"),
    ("//ann:s3cret@host/x", "//***@host/x"),
    ("token = s3cret, x", "token = ***, x"),
    ("http://h/x/https://a:s3cret@g/y", "http://h/x/https://***@g/y"),
    ("run_http://a:s3cret@h/y", "run_http://***@h/y"),
    ("1http://a:s3cret@h/y", "1http://***@h/y"),
)


@pytest.mark.parametrize(("text", "expected"), SECRETS)
def test_no_secret_is_shown(text, expected):
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text", ["http://host:80/a@b.log", "loss=0.5", "user@host:/logs/a.log", "file:///x/y.log"]
)
def test_what_is_no_secret_stays(text):
    assert shown(text) == text


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_character_is_seen(text):
    found = printable(text)
    assert not [c for c in found if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert printable(found) == found
    found.encode("utf-8")


def test_an_error_is_one_line_without_secrets():
    error = HarnessError("no\n::error::answer", source="http://ann:s3cret@host/a\x1b[2J.log")
    assert str(error) == r"http://***@host/a\x1b[2J.log: no\n::error::answer"


def test_a_message_is_bounded():
    assert len(str(HarnessError("x" * 100_000, source="a.log"))) < 5_000
