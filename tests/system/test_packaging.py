"""What is installed beside the binary: units, configuration, manual pages, completion. They must hold what they say, and
agree with the code."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGING = ROOT / "packaging"
UNITS = ["pgherald.service", "pgherald@.service", "pgherald-web.service"]
SOCKET = "pgherald-web.socket"
MANUALS = ["pgherald.8", "pgherald.conf.5"]
EXPOSURE_MAX = 1.5


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **options)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path):
    """The units as `make install` writes them under a prefix, with a program and the manual pages to point at."""
    (tmp_path / "bin").mkdir()
    shutil.copy("/bin/true", tmp_path / "bin" / "pgherald")
    for unit in UNITS:
        text = (PACKAGING / unit).read_text(encoding="utf-8")
        assert "/usr/local/bin/pgherald" in text
        (tmp_path / unit).write_text(text.replace("/usr/local/bin/", f"{tmp_path}/bin/"), encoding="utf-8")
    shutil.copy(PACKAGING / SOCKET, tmp_path)
    for manual in MANUALS:
        directory = tmp_path / "man" / f"man{manual[-1]}"
        directory.mkdir(parents=True)
        shutil.copy(PACKAGING / manual, directory)
    return tmp_path


def verify(directory, unit):
    """What systemd has to say about the unit. It exits 0 on keys that it does not know: only silence is approval."""
    result = run("systemd-analyze", "verify", directory / unit,
                 env={**os.environ, "MANPATH": f"{directory}/man", "LC_ALL": "C.UTF-8"})
    return result.stdout + result.stderr


@pytest.mark.parametrize("unit", [*UNITS, SOCKET])
def test_systemd_finds_nothing_wrong(installed, unit):
    assert verify(installed, unit) == ""


@pytest.mark.parametrize("line", ["Tpye=notify", "WatchdogSec=soon", "ExecStart=/nowhere/pgherald run",
                                  "SystemCallFilter=@no-such-set"])
def test_a_mistake_in_a_unit_would_be_seen(installed, line):
    unit = installed / UNITS[0]
    unit.write_text(unit.read_text(encoding="utf-8").replace("[Install]", f"{line}\n[Install]"), encoding="utf-8")
    assert verify(installed, UNITS[0]) != ""


@pytest.mark.parametrize("unit", UNITS)
def test_the_daemon_is_given_only_what_it_needs(installed, unit):
    result = run("systemd-analyze", "security", "--offline=yes", "--no-pager", installed / unit)
    figure = re.search(r"Overall exposure level for .*: ([0-9.]+)", result.stdout)
    assert figure, result.stdout + result.stderr
    assert float(figure.group(1)) <= EXPOSURE_MAX, result.stdout


def settings(unit):
    """The assignments of a unit, in order."""
    lines = (PACKAGING / unit).read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#")]


def test_the_units_of_one_and_of_many_databases_differ_in_their_configuration_only():
    one, many = (set(settings(unit)) for unit in UNITS[:2])
    assert {key for key, _ in one ^ many} == {"Description", "ExecStart"}
    assert ("ExecStart", "/usr/local/bin/pgherald --config /etc/pgherald/%i.conf run") in many


def test_the_unit_lets_the_daemon_reach_postgresql_and_gateways():
    unit = dict(settings(UNITS[0]))
    assert set(unit["RestrictAddressFamilies"].split()) == {"AF_UNIX", "AF_INET", "AF_INET6"}
    assert "PrivateNetwork" not in unit
    # No network of anybody's: where clouds hand out a machine's credentials, and groups.
    assert set(unit["IPAddressDeny"].split()) == {"multicast", "169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254"}
    assert unit["Type"] == "notify"
    assert unit["RestartPreventExitStatus"] == "2"


def test_what_faces_the_network_is_kept_apart_from_what_sends():
    web, daemon = dict(settings("pgherald-web.service")), dict(settings("pgherald.service"))
    assert web["User"] != daemon["User"]
    assert web["SocketBindDeny"] == "any"  # its socket is opened for it
    assert dict(settings(SOCKET))["ListenStream"].startswith("127.0.0.1:")
    assert "/etc/pgherald/web.conf" in web["ExecStart"]
    same = {key for key in daemon if key.startswith(("Protect", "Private", "Restrict", "SystemCall", "Capability", "Lock", "Memory", "NoNew"))}
    assert {key for key in same if web.get(key) != daemon[key]} <= {"MemoryMax"}


def test_the_user_of_the_units_is_made(tmp_path):
    (tmp_path / "etc").mkdir()
    result = run("systemd-sysusers", f"--root={tmp_path}", PACKAGING / "pgherald.sysusers")
    assert result.returncode == 0, result.stderr
    users = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text(encoding="utf-8").splitlines()}
    for unit in UNITS:
        assert dict(settings(unit))["User"] in users
        assert dict(settings(unit))["Group"] in users


@pytest.mark.parametrize("manual", MANUALS)
def test_manual_page_is_well_formed(manual):
    lines = run("mandoc", "-T", "lint", "-W", "all", PACKAGING / manual).stdout.splitlines()
    assert [line for line in lines if "STYLE:" not in line and "outdated mandoc.db" not in line] == []


def plain(text):
    """Text of a manual page as a reader sees it, on one line."""
    rendered = run("mandoc", "-T", "ascii", "-O", "width=1000", input=".Dd x\n.Dt X 1\n.Os\n.Sh X\n" + text).stdout
    body = re.sub(r".\x08", "", rendered).split("\nX\n", 1)[1].strip().splitlines()[0]
    return " ".join(body.split())


def manual_keys():
    """Each key of pgherald.conf(5) with its default and what begins its explanation."""
    section = read("packaging/pgherald.conf.5").split(".Sh KEYS\n")[1].split(".Sh ")[0].split(".El\n")[0]
    keys = {}
    for item in section.split("\n.It Ic ")[1:]:
        name, text = item.split("\n", 1)
        whole = plain(text)
        default = re.search(r"Default: (.*)\.$", whole).group(1).strip("'\"`")
        keys[name] = ("" if default == "empty" else default, whole)
    return keys


def sample_keys():
    """Each key of the sample with its default and its explanation."""
    keys, comment = {}, []
    for line in read("packaging/pgherald.conf").splitlines():
        assignment = re.fullmatch(r"#([a-z_]+) =(?: (.*))?", line)
        if assignment:
            keys[assignment.group(1)] = (assignment.group(2) or "", " ".join(comment))
        comment = [*comment, line[2:]] if line.startswith("# ") else []
    return keys


def code_keys():
    """Each key of the code's table with its default and its explanation."""
    row = re.compile(r'\{"(\w+)", KEY_\w+, FIELD\(\w+\), "([^"]*)", [^"]*"([^"]*)"\}')
    return {name: (default, explanation) for name, default, explanation in row.findall(read("src/io/config.c"))}


def struct_keys():
    struct = re.search(r"^struct config \{(.*?)^\};", read("src/io/config.h"), re.S | re.M).group(1)
    return re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", struct))


def test_sample_manual_and_code_have_the_same_keys():
    assert list(sample_keys()) == list(manual_keys()) == list(code_keys()) == sorted(struct_keys())


def test_sample_manual_and_code_say_the_same_of_each_key():
    sample, manual = sample_keys(), manual_keys()
    for key, (default, explanation) in code_keys().items():
        assert sample[key][0] == manual[key][0] == default, key
        assert sample[key][1].startswith(explanation), key
        assert manual[key][1].startswith(explanation), key


def test_the_sample_changes_nothing():
    assert [line for line in read("packaging/pgherald.conf").splitlines() if line and not line.startswith("#")] == []


def test_the_manual_lists_every_message_id():
    in_code = set(re.findall(r'= "([0-9a-f]{32})"', read("src/base/log.c")))
    in_manual = set(re.findall(r"^\.It Li ([0-9a-f]{32})$", read("packaging/pgherald.8"), re.M))
    assert in_code and in_code == in_manual


def manual_verbs():
    description = read("packaging/pgherald.8").split(".Ss Setting up")[1].split(".Sh ")[0]
    return sorted(set(re.findall(r"^\.It Ic (\w+)", description, re.M)))


def complete(*words):
    """What bash would offer for the last word."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _pgherald; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    result = run("bash", "--norc", "-c", script, "bash", PACKAGING / "pgherald.bash-completion", "pgherald", *words)
    assert result.stderr == ""
    return result.stdout.split()


def test_completion_offers_the_verbs_of_the_manual():
    assert sorted(word for word in complete("") if not word.startswith("-")) == manual_verbs()
    assert complete("--dsn", "dbname=app", "unin") == ["uninstall"]
    assert complete("--config", "/x.conf", "pause", "") == ["rule", "sender", "channel", "recipient"]
    assert complete("list", "--status", "in") == ["in_doubt"]
    assert complete("list", "--rule", "") == []


def test_completion_offers_the_options_of_the_manual():
    section = read("packaging/pgherald.8").split(".Ss Setting up")[1].split(".Sh ")[0]
    for item in re.findall(r"^\.It Ic (\w+ .*(?:\\\n.*)?)$", section, re.M):
        verb = item.split()[0]
        for option in re.findall(r"Fl (-[a-z-]+)", item):
            assert f"-{option}" in complete(verb, "-"), (verb, option)
