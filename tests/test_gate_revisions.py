"""The gate on two revisions of a repository: builds, verdicts, bad input, interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import ROOT, copy_checkout, git

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs" / "studies").is_dir(), reason="needs the checkout, not the installed wheel"
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """This checkout as it is, with a NumPy heat that is twenty times slower, and broken."""
    folder = tmp_path_factory.mktemp("scratch")
    copy_checkout(folder, "src", "kernels", "bridges", "pyproject.toml", "LICENSE", "README.md")
    git(folder, "tag", "good")
    source = folder / "kernels/heat/heat_numpy.py"
    text = source.read_text()
    assert "    for z in range(z0, z1):" in text
    loop = "    for z in [z for z in range(z0, z1) for _ in range(20)]:"
    source.write_text(text.replace("    for z in range(z0, z1):", loop))
    git(folder, "commit", "-qam", "Every plane twenty times")
    git(folder, "tag", "slow")
    (folder / "pyproject.toml").write_text("[project\n")
    git(folder, "commit", "-qam", "no TOML")
    git(folder, "tag", "broken")
    git(folder, "checkout", "-q", "slow")
    return folder


@pytest.fixture
def caches(tmp_path):
    return {"JOULIA_CACHE_DIR": str(tmp_path / "cache")}


def left_behind(caches):
    return list((Path(caches["JOULIA_CACHE_DIR"]) / "gate").glob("*"))


def test_a_revision_that_is_slower_and_hungrier_is_named(joulia, scratch, caches, tmp_path):
    fake = tmp_path / "root/run/joulia/fake-meter.json"
    fake.parent.mkdir(parents=True)
    fake.write_text('{"id": "node", "watts": {"package-0": 50.0}}')
    done = joulia(
        "gate", "--base", "good", "heat", "-b", "numpy", "--size", "tiny", "--ranks", "1",
        "--pairs", "8", "--window", "0.05", "--repeats", "3", "--json", "--save", tmp_path / "kept",
        cwd=scratch, env=caches | {"JOULIA_ROOT": str(tmp_path / "root")},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert {v["metric"]: v["verdict"] for v in report["verdicts"]} == {
        "time": "regression",
        "energy": "regression",
    }, json.dumps(report["verdicts"])
    assert report["verdicts"][1]["source"] == "fake"
    (time_,) = [v for v in report["verdicts"] if v["metric"] == "time"]
    assert time_["pairs"] == 8
    assert time_["change"] > 0.5
    assert report["base"] == git(scratch, "rev-parse", "good")
    assert report["head_subject"] == "Every plane twenty times"
    assert left_behind(caches) == []
    kept = [(tmp_path / "kept" / f"{side}.jsonl").read_text() for side in ("base", "head")]
    codes = [{json.loads(line)["software"]["code"] for line in text.splitlines()} for text in kept]
    assert len(codes[0] | codes[1]) == 2  # each side ran its own code
    again = joulia("gate", *(tmp_path / "kept" / f"{s}.jsonl" for s in ("base", "head")), "--json")
    assert again.returncode == 1


def test_a_revision_that_does_not_build_is_one_line(joulia, scratch, caches):
    done = joulia("gate", "--base", "broken", cwd=scratch, env=caches)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "does not build" in done.stderr
    assert left_behind(caches) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--base", "nonesuch"), "unknown revision 'nonesuch'"),
        (("--base", "good", "--head", "--all"), "unknown revision '--all'"),
        (("--base", "good", "--threshold", "tim=3%"), "--threshold tim=3% is not allowed"),
        (("--base", "good", "--threshold", "time=-3%"), "--threshold time=-3% is not allowed"),
        (("--base", "good", "--pairs", "2"), "--pairs"),
        (("heat",), "nothing to compare"),
    ],
)
def test_bad_input_is_one_line(joulia, scratch, caches, arguments, message):
    done = joulia("gate", *arguments, cwd=scratch, env=caches)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr


def test_a_dirty_tree_is_refused_and_a_folder_without_git_too(joulia, scratch, caches, tmp_path):
    readme = scratch / "README.md"
    before = readme.read_text()
    readme.write_text("changed\n")
    try:
        done = joulia("gate", "--base", "good", cwd=scratch, env=caches)
    finally:
        readme.write_text(before)
    assert done.returncode == 2
    assert "the tree is dirty (README.md)" in done.stderr
    done = joulia(
        "gate",
        "--base",
        "good",
        cwd=tmp_path,
        env=caches | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    assert done.returncode == 2
    assert "is in no git repository" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(scratch, caches, number):
    child = subprocess.Popen(
        [sys.executable, "-m", "joulia", "gate", "--base", "good", "heat", "-b", "numpy"],
        cwd=scratch, env=os.environ | caches, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not left_behind(caches) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.3)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130, stderr
    assert "interrupted" in stderr
    assert left_behind(caches) == []
    assert git(scratch, "worktree", "list").count("\n") == 0
