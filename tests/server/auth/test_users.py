"""The users file and the verifiers in it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
from pathlib import Path

import pytest

from server.auth.api import AccessMode, UserRecord
from server.auth.passwords import matches
from server.auth.users import UsersFile, lines, parse
from server.commands import run
from sql.verifiers import md5, mysql_native, saslprep, scram_verifier


def test_a_user_may_have_an_md5_verifier() -> None:
    digits = md5("secret", "ann").removeprefix("md5")
    ann = parse(f"ann=md5:{digits}", "users")["ann"]
    assert ann == UserRecord("ann", md5=f"md5{digits}")
    assert matches(ann, "secret")
    assert not matches(ann, "Secret")
    with pytest.raises(ValueError, match="32 hexadecimal"):
        parse("ann=md5:abc", "users")


def test_the_scram_verifier_proves_the_example_of_rfc_7677() -> None:
    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    stored_key, server_key = map(base64.b64decode, verifier.split("$")[2].split(":"))
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    message = (
        f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        f"c=biws,r={nonce}"
    ).encode()
    signature = hmac.digest(server_key, message, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_signature = hmac.digest(stored_key, message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


def test_saslprep_follows_the_examples_of_rfc_4013() -> None:
    assert saslprep("I\u00adX") == "IX"
    assert saslprep("\u00aa") == "a"
    assert saslprep("\u2168") == "IX"
    assert saslprep("\u0007") == "\u0007"  # refused there, taken as it is here
    assert saslprep("\u0627\u0031") == "\u0627\u0031"


def test_mysql_native_is_what_mysql_stores() -> None:
    assert mysql_native("password").hex().upper() == "2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_a_plain_password_serves_every_wire() -> None:
    [user] = parse("ann=plain:se=cr:et\n", "users").values()
    assert user.scram is not None
    assert user.mysql_native == mysql_native("se=cr:et")
    assert user.caching_sha2 is not None
    assert matches(user, "se=cr:et")
    assert not matches(user, "secret")


def test_text_without_a_scheme_is_a_plain_password() -> None:
    users = parse("greptime_user=greptime_pwd\nalice:readonly=aaa\nbob:writeonly=b:b\n", "users")
    assert matches(users["greptime_user"], "greptime_pwd")
    assert matches(users["bob"], "b:b")
    assert users["alice"].mode is AccessMode.READ_ONLY
    assert users["bob"].mode is AccessMode.WRITE_ONLY


def test_each_verifier_alone_checks_a_password() -> None:
    for line in lines("ann", "pw", "ro"):
        [user] = parse(line, "users").values()
        assert user.mode is AccessMode.READ_ONLY
        kept = [user.scram, user.mysql_native, user.caching_sha2]
        assert sum(one is not None for one in kept) == 1
        assert matches(user, "pw")
        assert not matches(user, "PW")


def test_lines_of_one_user_add_up() -> None:
    [user] = parse("# people\n\n" + "\n".join(lines("ann", "pw")), "users").values()
    assert None not in (user.scram, user.mysql_native, user.caching_sha2)


def test_other_spellings_of_verifiers() -> None:
    _, numbers, keys = scram_verifier("pw").split("$")
    native = mysql_native("pw").hex().upper()
    users = parse(
        f"ann=pg_scram_sha256:{numbers}:{keys}\nbob=mysql_native_password:*{native}\n", "users"
    )
    assert matches(users["ann"], "pw")
    assert matches(users["bob"], "pw")


def test_nobody_matches_without_a_verifier() -> None:
    assert not matches(UserRecord("ann"), "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ann", "expected user"),
        ("=plain:x", "expected user"),
        ("ann:admin=plain:x", "unknown mode 'admin'"),
        ("ann=plain:", "empty"),
        ("ann=", "empty"),
        ("ann=SCRAM-SHA-256$4096:!!$x:y", "expected SCRAM-SHA-256$"),
        ("ann=mysql_native_password:abcd", "40 hexadecimal digits"),
        ("ann=caching_sha2_password:xyz", "64 hexadecimal digits"),
        ("ann=pg_scram_sha256:1:2", "pg_scram_sha256:<iterations>"),
        ("ann=pbkdf2_sha256:1:2:3", "pbkdf2_sha256"),
        ("ann:ro=plain:x\nann:rw=plain:y", "two different modes"),
    ],
)
def test_a_wrong_line_is_named(line: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(f"# first\n{line}\n", "people.txt")
    assert words in str(caught.value)
    assert f"people.txt, line {2 + line.count(chr(10))}" in str(caught.value)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("ann=plain:one\n")
    users = UsersFile(path)
    assert users.required
    before = users.lookup("ann")
    path.write_text("ann=plain:two\nbob=plain:three\n")
    after = users.lookup("ann")
    assert before is not None
    assert after is not None
    assert matches(before, "one")
    assert matches(after, "two")
    assert users.lookup("bob") is not None
    assert users.lookup("eve") is None


def test_a_file_that_became_wrong_keeps_the_users(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "users"
    path.write_text("ann=plain:one\n")
    users = UsersFile(path)
    path.write_text("ann:what=plain:one\n")
    assert users.lookup("ann") is not None
    os.remove(path)
    assert users.lookup("ann") is not None
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_hash_password_prints_lines_that_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("sécret\n"))
    assert run(["user", "hash-password", "ann", "--mode", "wo"]) == 0
    printed = capsys.readouterr().out
    assert "sécret" not in printed
    user = parse(printed, "printed")["ann"]
    assert matches(user, "sécret")
    assert user.mode is AccessMode.WRITE_ONLY


def test_hash_password_refuses_what_could_not_log_in(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert run(["user", "hash-password", "ann"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("pw\n"))
    assert run(["user", "hash-password", "a=b"]) == 2
    assert capsys.readouterr().out == ""
