"""Results archives: the same bytes for the same records, and whatever was changed is found."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulia.errors import JouliaError
from joulia.records import consistency, identity
from joulia.records.record import Record
from joulia.report import archive, archive_check, environment, page
from joulia.report.archive import ENVIRONMENT, MANIFEST, RECORDS, REPORT, REQUIREMENTS, ROOT

from .results import record, write

FIRST = Path(__file__).parent / "data" / "records-of-0.1.0-first.jsonl"
MADE = [
    record("numpy", 8e-3, energy=0.40, lines=12),
    record("numba", 1.2e-3, energy=0.12, lines=30),
    record("julia", None, status="skipped", reason="no Julia"),
]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    archive.write([write(folder / "r.jsonl", MADE)], folder / "r.tar")
    return folder / "r.tar"


@pytest.fixture(scope="module")
def files(made: Path) -> Files:
    with tarfile.open(made) as opened:
        return {
            member.name.removeprefix(f"{ROOT}/"): opened.extractfile(member).read()  # type: ignore[union-attr]
            for member in opened
        }


def problems(folder: Path, files: Files, *, resealed: bool = False) -> list[str]:
    """What is found in an archive of these files, with checksums made anew or as they were."""
    if resealed:
        files = archive.sealed({name: files[name] for name in archive.PAYLOAD})
    (folder / "a.tar").write_bytes(archive.pack(files, 0))
    return archive_check.verify(folder / "a.tar").problems


def changed(lines: bytes, change: Callable[[dict[str, Any]], None], number: int = 0) -> bytes:
    """Lines of records with one of them changed."""
    parts = lines.splitlines()
    data = json.loads(parts[number])
    change(data)
    parts[number] = json.dumps(data).encode()
    return b"".join(part + b"\n" for part in parts)


# ---- writing ---------------------------------------------------------------------------------


def test_the_same_records_give_the_same_bytes_and_a_sound_archive(made: Path) -> None:
    again = made.with_name("again.tar")
    written = archive.write([made.with_name("r.jsonl")], again)
    assert again.read_bytes() == made.read_bytes()
    verdict = archive_check.verify(again, written.sha256.upper())
    assert verdict.problems == verdict.notes == []
    assert len(verdict.records) == written.records == 3
    again.write_bytes(gzip.compress(made.read_bytes()))
    assert archive_check.verify(again).problems == []


def test_records_go_in_as_they_were_written_and_a_torn_line_does_not(tmp_path: Path) -> None:
    """Also of the first version, and with keys that this joulia does not know."""
    (tmp_path / "first.jsonl").write_bytes(FIRST.read_bytes().replace(b'"id"', b'"new": 1, "id"'))
    torn = json.dumps(MADE[0].to_json()).encode()
    (tmp_path / "torn.jsonl").write_bytes(torn + b"\n\n" + torn[:-9])
    with pytest.warns(UserWarning, match="the last line is torn"):
        archive.write(sorted(tmp_path.glob("*.jsonl")), tmp_path / "r.tar")
    verdict = archive_check.verify(tmp_path / "r.tar")
    assert verdict.problems == []
    with tarfile.open(tmp_path / "r.tar") as opened:
        content = opened.extractfile(f"{ROOT}/{RECORDS}").read()  # type: ignore[union-attr]
    assert content == (tmp_path / "first.jsonl").read_bytes() + torn + b"\n"


def test_the_environment_is_locked_and_held_against_that_of_the_records(files: Files) -> None:
    lock = json.loads(files[ENVIRONMENT])
    assert lock["distributions"]["numpy"]
    assert f"numpy=={lock['distributions']['numpy']}\n" in files[REQUIREMENTS].decode()
    assert [machine["hostname"] for machine in lock["records"]["machines"]] == ["alpha"]
    assert lock["unlike"] == [
        f"joulia: 0 in the records, {lock['joulia']} here",
        f"python: 3.11 in the records, {lock['python']['version']} here",
    ]
    assert environment.unlike({"mpi4py": ["3.1", "4.0"]}, lock | {"distributions": {}}) == [
        "mpi4py: 3.1, 4.0 in the records, none here"
    ]


def test_no_record_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("")
    with pytest.raises(JouliaError, match=r"r\.jsonl: no record\. Allowed"):
        archive.write([tmp_path / "r.jsonl"], tmp_path / "r.tar")


# ---- what was changed ------------------------------------------------------------------------


def test_a_tampered_record_is_found_by_its_checksum(files: Files, tmp_path: Path) -> None:
    lines = changed(files[RECORDS], lambda data: data["time"].update(median=1e-9))
    found = problems(tmp_path, files | {RECORDS: lines})
    assert found[0] == f"{RECORDS} is not what its checksum in {MANIFEST} says"
    assert "time (median, ci95) does not follow from the samples" in found[1]


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another case": (lambda d: d["case"].update(ranks=2), "is not that of its case, settings"),
    "another machine": (lambda d: d["machine"].update(id="x"), "is not that of its case, settings"),
    "another compiler": (lambda d: d.update(toolchain={"numpy": "9"}), "is not that of its case"),
    "a median": (lambda d: d["time"].update(median=1e-9), "time (median, ci95) does not follow"),
    "an interval": (lambda d: d["energy"].update(ci95=[0.1, 0.2]), "energy (median, ci95) does"),
    "idle GPUs": (
        lambda d: d["energy"].update(unused={"samples": [0.1], "median": 0.1, "ci95": None}),
        "its energy.unused has other windows",
    ),
    "a rate": (lambda d: d["rates"].update(bytes_per_s=1e15), "rates.bytes_per_s does not follow"),
    "the work": (lambda d: d["work"].update(flops=1e15), "rates.flops_per_s does not follow"),
    "a failed check": (lambda d: d["verify"].update(error=0.5), "the first step is off by 0.5"),
    "no verification": (lambda d: d.update(verify=None), "its verification did not pass"),
    "no time": (lambda d: d.update(time=None), "it is valid and has no time"),
    "a status": (lambda d: d.update(status="failed"), "it is failed and has figures all the same"),
    "a status of its own": (lambda d: d.update(status="fine"), "status 'fine' is none of"),
    "a precision": (lambda d: d["case"].update(dtype=64), "case.dtype: 64 is not text"),
    "a setting": (
        lambda d: d["settings"].update(cold=[]),
        "settings.cold: [] is not true or false",
    ),
    "a parameter": (
        lambda d: d["case"]["params"].update(cfl=None),
        "case.params.cfl: None is no",
    ),
    "a number": (
        lambda d: d["rates"].update(flops_per_s=10**40),
        "10000000000000000000... is no nu",
    ),
    "no machine": (lambda d: d.pop("machine"), "not a joulia record: machine is missing"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_record_is_found_although_its_checksums_are_new(
    what: str, files: Files, tmp_path: Path
) -> None:
    change, said = TAMPERED[what]
    lines = changed(files[RECORDS], change)
    found = problems(tmp_path, files | {RECORDS: lines}, resealed=True)
    assert any(said in line and line.startswith(f"{RECORDS}, line 1") for line in found), found


def test_what_is_no_record_and_what_does_not_repeat_is_found(files: Files, tmp_path: Path) -> None:
    lines = files[RECORDS] + b"no JSON\n[1]\n" + b"[" * 100_000 + b"\n"
    found = problems(tmp_path, files | {RECORDS: lines}, resealed=True)
    assert found == [
        f"{RECORDS}, line 4: not JSON", f"{RECORDS}, line 5: not a joulia record",
        f"{RECORDS}, line 6: not JSON",
    ]  # fmt: skip
    one, other = files[RECORDS].splitlines()[0], files[RECORDS].splitlines()[0]
    pair = b"".join(
        changed(line, lambda d, bits=bits: d["verify"].update(first_step_digest={"u": bits}))
        for line, bits in ((one, "0" * 16), (other, "1" * 16))
    )
    (found_one,) = problems(tmp_path, files | {RECORDS: pair}, resealed=True)
    assert "its first step has other bits than another of its id" in found_one


def test_samples_that_were_changed_with_all_that_follows_show_in_the_report(
    files: Files, tmp_path: Path
) -> None:
    """Who recomputes the record and the checksums must write the report anew too."""

    def faster(data: dict[str, Any]) -> None:
        time = data["time"]
        time["samples"] = [0.5 * value for value in time["samples"]]
        time["median"] *= 0.5
        time["ci95"] = [0.5 * value for value in time["ci95"]]
        for name, value in data["rates"].items():
            factor = 0.5 if name == "ns_per_update" else 2.0
            data["rates"][name] = value and (value * factor)

    lines = changed(files[RECORDS], faster)
    (found,) = problems(tmp_path, files | {RECORDS: lines}, resealed=True)
    assert found.startswith(f"{REPORT} (section summary) says")


def test_a_report_that_says_other_figures_is_found(files: Files, tmp_path: Path) -> None:
    html = files[REPORT].decode()
    assert ">1.20 ms" in html
    for old, new, said in (
        (">1.20 ms", ">0.20 ms", "says '0.20 ms' where the records give '1.20 ms'"),
        ("</main>", "<p>And so it is proven.</p></main>", "says 'And so it is proven.' where"),
        ('cx="', 'cx="1', "its marks, styles or code are not those of joulia"),
    ):
        tampered = html.replace(old, new, 1).encode()
        (found,) = problems(tmp_path, files | {REPORT: tampered}, resealed=True)
        assert said in found
    (found,) = problems(tmp_path, files | {REPORT: b"\xff"}, resealed=True)
    assert found == f"{REPORT} is not UTF-8"


def test_of_another_version_the_table_of_figures_is_compared_and_the_rest_named(
    files: Files, tmp_path: Path
) -> None:
    lock = json.loads(files[ENVIRONMENT]) | {"joulia": "0.0.1"}
    html = files[REPORT].decode()
    before, table = html.split('<table class="sortable" id="all">')
    older = files | {ENVIRONMENT: json.dumps(lock).encode()}
    older[REPORT] = html.replace("<h2", "<h2 class='old'").encode()
    assert problems(tmp_path, older, resealed=True) == []
    (note,) = archive_check.verify(tmp_path / "a.tar").notes
    assert note.startswith(f"joulia 0.0.1 wrote {REPORT}, this is ")
    tampered = table.replace("1.20 ms", "0.20 ms")
    assert tampered != table
    older[REPORT] = f'{before}<table id="all">{tampered}'.encode()
    (found,) = problems(tmp_path, older, resealed=True)
    assert found.startswith(f"{REPORT}, section figures: no record gives the row '")


def test_an_environment_that_contradicts_the_records_is_found(files: Files, tmp_path: Path) -> None:
    lock = json.loads(files[ENVIRONMENT])
    lock["records"]["software"]["python"] = ["3.99"]
    lock["unlike"] = []
    found = problems(tmp_path, files | {ENVIRONMENT: json.dumps(lock).encode()}, resealed=True)
    assert found == [
        f"{ENVIRONMENT}: {n} is not what the records tell" for n in ("records", "unlike")
    ]
    found = problems(tmp_path, files | {REQUIREMENTS: b"numpy==9\n"}, resealed=True)
    assert found == [f"{REQUIREMENTS} does not list what {ENVIRONMENT} does"]
    for text in (b"[]", b"{}", b"no JSON"):
        found = problems(tmp_path, files | {ENVIRONMENT: text}, resealed=True)
        assert found == [f"{ENVIRONMENT} is no environment that joulia writes"]


# ---- the archive itself ----------------------------------------------------------------------


@pytest.mark.parametrize("name", archive.FILES)
def test_a_missing_file_is_found(name: str, files: Files, tmp_path: Path) -> None:
    found = problems(tmp_path, {n: data for n, data in files.items() if n != name})
    assert found == [f"{name} is missing"]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        (f"{ROOT}/data/more.csv", tarfile.REGTYPE, "is not one of an archive's files"),
        (f"{ROOT}/../../evil", tarfile.REGTYPE, "a path that leads out of the archive"),
        ("/tmp/evil", tarfile.REGTYPE, "/tmp/evil: a path that leads out of the archive"),
        (f"{ROOT}/{RECORDS}", tarfile.SYMTYPE, f"{RECORDS} is no plain file"),
        (f"{ROOT}/{RECORDS}", tarfile.REGTYPE, f"{RECORDS} is there twice"),
        ("\x1b[31m", tarfile.REGTYPE, "is not one of an archive's files"),
    ],
)
def test_an_extra_file_is_found_and_reaches_nothing(
    name: str, kind: bytes, said: str, made: Path, tmp_path: Path, joulia: Any
) -> None:
    out = io.BytesIO(made.read_bytes())
    with tarfile.open(fileobj=out, mode="a") as opened:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, "/etc/passwd", 0
        opened.addfile(member, io.BytesIO())
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    (found,) = archive_check.verify(tmp_path / "a.tar").problems
    assert said in found
    done = joulia("verify-bundle", tmp_path / "a.tar")
    assert (done.returncode, "\x1b" in done.stdout) == (1, False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_header_with_numbers_that_are_none_is_damage(made: Path, tmp_path: Path) -> None:
    """tarfile reads a sparse file's map with int(), and lets its ValueError out."""
    out = io.BytesIO(made.read_bytes())
    with tarfile.open(fileobj=out, mode="a", format=tarfile.PAX_FORMAT) as opened:
        member = tarfile.TarInfo(f"{ROOT}/data/more")
        member.pax_headers = {"GNU.sparse.map": "x"}
        opened.addfile(member, io.BytesIO())
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    (found,) = archive_check.verify(tmp_path / "a.tar").problems
    assert found.startswith("the archive is damaged or cut off: ")


def test_checksums_that_are_none_or_of_strangers_are_found(files: Files, tmp_path: Path) -> None:
    listing = files[MANIFEST] + b"0" * 64 + b"  ../../etc/passwd\nnothing\n"
    listing = listing.replace(b"data/report.html", b"data/rapport.html")
    found = problems(tmp_path, files | {MANIFEST: listing})
    stranger = "which is not one of an archive's files"
    assert found == [
        f"{MANIFEST}, line 6, is no checksum",
        f"{MANIFEST} has no checksum of {REPORT}",
        f"{MANIFEST} lists data/rapport.html, {stranger}",
        f"{MANIFEST} lists ../../etc/passwd, {stranger}",
        f"{MANIFEST} is not what its checksum in tagmanifest-sha256.txt says",
    ]


def test_the_command_tells_a_sound_archive_a_cut_one_and_what_is_none(
    made: Path, tmp_path: Path, joulia: Any
) -> None:
    output = tmp_path / "new" / "r.tar"
    done = joulia("export", made.with_name("r.jsonl"), "--bundle", "-o", output)
    assert done.returncode == 0, done.stderr
    total = done.stdout.splitlines()[1].removeprefix("sha256 ")
    assert total == archive.sha256(made.read_bytes())
    assert "the environment here is not that of the records" in done.stderr
    done = joulia("verify-bundle", output, "--sha256", total)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 records (2 valid) hold together" in done.stdout
    whole = made.read_bytes()
    last = whole.rindex(b"==")  # in the last file, requirements.txt
    for at, said in (
        (9000, f"{ENVIRONMENT} is missing\n"),
        (last, "the archive is damaged or cut off: unexpected end of data\n"),
        (last // 512 * 512 + 512, "the archive is cut off: it ends without its end mark\n"),
    ):
        output.write_bytes(whole[:at])
        done = joulia("verify-bundle", output, "--sha256", total)
        assert (done.returncode, done.stderr) == (1, "")
        assert said in done.stdout
        assert f"not {total}\n" in done.stdout
    output.write_bytes(gzip.compress(made.read_bytes())[:-5000])
    assert joulia("verify-bundle", output).returncode == 1

    (tmp_path / "no.tar").write_text("no archive\n")
    with tarfile.open(tmp_path / "other.tar", "w") as opened:
        opened.add(tmp_path / "no.tar", "joulia-bundle/manifest.json")
    for arguments, said in (
        ([tmp_path / "no.tar"], "no.tar is no archive. Allowed: what `joulia export --bundle`"),
        ([tmp_path / "other.tar"], "other.tar is no results archive. Allowed"),
        ([tmp_path / "none.tar"], "cannot read"),
        ([tmp_path], "cannot read"),
        ([made, "--sha256", "12"], "--sha256 12 is not allowed. Allowed: 64 hexadecimal digits"),
    ):
        done = joulia("verify-bundle", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert said in done.stderr
    done = joulia("export", made.with_name("r.jsonl"), "--bundle", "--to", "csv", "-o", output)
    assert done.returncode == 2
    assert "--bundle is a format itself" in done.stderr


# ---- records ---------------------------------------------------------------------------------


def test_real_records_of_the_first_version_hold_together() -> None:
    for line in FIRST.read_text().splitlines():
        data = json.loads(line)
        found = Record.from_json(data)
        assert list(consistency.contradictions(data, found)) == []
        assert identity.of_line(data) == found.id


def test_an_archived_report_names_no_time_of_its_own() -> None:
    html = page.build(MADE, archived=True)
    assert "Of records until 2026-01-01T00:00:00+00:00, written by joulia" in html
    assert html == page.build(MADE, archived=True)
