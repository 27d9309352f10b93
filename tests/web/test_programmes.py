"""A planner's own programme: taken whole or not at all, and never a file of the server."""

import re
from html import unescape

import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.core.hashes import file_sha256
from commonwatt.runs import RunStore
from commonwatt.study.programme.reader import find_programme_path
from commonwatt.study.programme.submitted import (
    LARGEST_BYTES,
    check_and_keep_submitted_programme,
    removed_submitted_programme,
    submitted_programme_of_run_inputs_or_none,
    submitted_programme_with_digest_checked,
    submitted_programmes_newest_first,
)
from commonwatt.web.roles import ACTION_ROLES, ConsoleAction, ConsoleRole
from commonwatt.web.tasks.kinds import KINDS, console_submitted_programmes_folder
from commonwatt.web.tasks.supervisor import find_console_task, list_newest_tasks
from tests.small_programme import small_programme
from tests.web.console import HTML, running
from tests.web.sample import sample_store

TRACE = 'trace = "jobs.csv"\nmapping = "jobs.toml"'
SHIPPED_TRACE = 'trace = "shipped:traces/itp_ten_days.parquet"'
SERIES = '{{ file = "{}", column = "price" }}'


@pytest.fixture
def small(tmp_path):
    """The text of a small programme and the files that it names."""
    folder = tmp_path / "own"
    folder.mkdir()
    path = small_programme(folder)
    files = {name: (folder / name).read_bytes() for name in ("jobs.csv", "jobs.toml")}
    return path.read_text(encoding="utf-8"), files


def _hourly(rows=24):
    return ("price\n" + "\n".join(f"{100 + i}" for i in range(rows)) + "\n").encode()


# Each change of a sound programme, as old and new text: those of the first list name a file that
# nobody handed in, in every place where a programme can name one; those of the second none.
REACHES = {
    "a trace by its path": ('trace = "jobs.csv"', 'trace = "/etc/hostname"'),
    "a trace above": ('trace = "jobs.csv"', 'trace = "../../../etc/hostname"'),
    "a trace beside, not handed in": ('trace = "jobs.csv"', 'trace = "other.csv"'),
    "above the shipped files": ('trace = "jobs.csv"', 'trace = "shipped:../__init__.py"'),
    "no shipped file": ('trace = "jobs.csv"', 'trace = "shipped:traces"'),
    "a mapping": ('mapping = "jobs.toml"', 'mapping = "/etc/hostname"'),
    "a price": ('power_price = "150 USD/MWh"', f"power_price = {SERIES.format('/etc/hostname')}"),
    "carbon": ('carbon = "400 g/kWh"\nsource = "a test of home"',
               f"carbon = {SERIES.format('../x.csv')}\nsource = 'a'"),
    "a country folder": ('country = "hongkong"', 'country = "/etc"'),
    "a country above": ('country = "hongkong"', 'country = "../../data"'),
    "an alternative": ('change = ["sites.home.nodes=4", "sites.west.nodes=0"]',
                       'change = ["demand.trace=/etc/hostname"]'),
    "a price of an alternative": ('change = ["sites.home.nodes=4", "sites.west.nodes=0"]',
                                  'change = ["sites.home.power_price.file=../x.csv"]'),
}  # fmt: skip
SOUND = {
    "as it is": ("", ""),
    "a shipped trace": (TRACE, SHIPPED_TRACE),
    "a price that came with it": ('power_price = "150 USD/MWh"',
                                  f"power_price = {SERIES.format('price.csv')}"),
    "a word that looks like a path": ('label = "As written"', 'label = "../../etc/passwd"'),
    "another country": ('country = "hongkong"\ncurrency_per_usd = 7.8',
                        'country = "finland"\ncurrency_per_usd = 0.9'),
    "a source with a path": ('source = "a test of home"', 'source = "/etc/hostname"'),
}  # fmt: skip


@pytest.mark.parametrize("case", REACHES)
def test_a_file_that_did_not_come_with_it_is_refused_and_nothing_is_kept(small, tmp_path, case):
    text, files = small
    old, new = REACHES[case]
    assert old in text
    with pytest.raises(ProgrammeError) as caught:
        check_and_keep_submitted_programme(
            tmp_path / "kept", "mine", text.replace(old, new).encode(), files
        )
    # Refused for its reach and before the file was read: no word of it stands in the message.
    assert "want" in str(caught.value)
    assert not list((tmp_path / "kept").glob("*"))


@pytest.mark.parametrize("case", SOUND)
def test_the_same_programme_without_such_a_file_is_taken(small, tmp_path, case):
    text, files = small
    old, new = SOUND[case]
    assert old in text
    if "price" in case:
        files = files | {"price.csv": _hourly(8784)}
    kept = check_and_keep_submitted_programme(
        tmp_path / "kept", "mine", text.replace(old, new).encode(), files
    )
    assert submitted_programme_with_digest_checked(tmp_path / "kept", kept.key) == kept
    assert kept.title == "Small"
    # Again: the same bytes under the same name are the same programme.
    again = check_and_keep_submitted_programme(
        tmp_path / "kept", "mine", text.replace(old, new).encode(), files
    )
    assert again.key == kept.key
    assert len(submitted_programmes_newest_first(tmp_path / "kept")) == 1


BROKEN = {
    "no TOML": b"title = ",
    "not UTF-8": b'title = "\xff\xfe"',
    "nothing": b"  \n",
    "too large": b"# " + b"x" * LARGEST_BYTES,
    "nested deep": b"a = " + b"[" * 20_000,
    "a number of thousands of digits": b"seed = " + b"9" * 5_000,
    "a null byte": b'title = "a\0b"',
    "a key twice": b'title = "a"\ntitle = "b"',
    "no programme": b"[package]\nname = 'x'",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_programme_is_refused_in_a_sentence(tmp_path, case):
    with pytest.raises(ProgrammeError) as caught:
        check_and_keep_submitted_programme(tmp_path / "kept", "mine", BROKEN[case])
    assert caught.value.where.startswith("mine")
    assert not list((tmp_path / "kept").glob("*"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text + b"\n\n# the end",
        lambda text: text.replace(b"seed = 3", b"seed = 9223372036854775807"),
    ],
    ids=["byte order mark", "lines of Windows", "a comment", "the greatest seed"],
)
def test_how_an_editor_writes_a_file_is_no_fault(small, tmp_path, change):
    text, files = small
    assert check_and_keep_submitted_programme(
        tmp_path / "kept", "mine", change(text.encode()), files
    ).title


@pytest.mark.parametrize(
    "name",
    ["", "harbour", "fjord", "Mine", "a/b", "..", "-a", "a" * 41, "a b", "a@b", "é", "a\n", "a.b"],
)
def test_a_name_that_is_no_name_or_is_taken_is_refused(small, tmp_path, name):
    text, files = small
    with pytest.raises(ProgrammeError, match="wanted"):
        check_and_keep_submitted_programme(tmp_path / "kept", name, text.encode(), files)


@pytest.mark.parametrize("name", ["mine", "a", "7", "harbour-2", "a" * 40])
def test_any_other_name_is_taken(small, tmp_path, name):
    text, files = small
    assert (
        check_and_keep_submitted_programme(tmp_path / "kept", name, text.encode(), files).name
        == name
    )


@pytest.mark.parametrize(
    "name", ["../jobs.csv", "/jobs.csv", ".csv", "jobs.sh", "mine.toml", "jobs.csv\0", "a b.csv"]
)
def test_an_attached_file_has_a_plain_name(small, tmp_path, name):
    text, files = small
    with pytest.raises(ProgrammeError, match="attached"):
        check_and_keep_submitted_programme(
            tmp_path / "kept", "mine", text.encode(), files | {name: b"x"}
        )


@pytest.mark.parametrize(
    "key", ["", "..", "../x", "mine", "mine@", "mine@0123456789abcdef", "a/b@0123456789abcdef"]
)
def test_a_key_of_nothing_is_refused(tmp_path, key):
    with pytest.raises(ProgrammeError, match="no such programme"):
        submitted_programme_with_digest_checked(tmp_path, key)


def test_a_file_that_was_changed_since_is_not_run(small, tmp_path):
    text, files = small
    kept = check_and_keep_submitted_programme(tmp_path / "kept", "mine", text.encode(), files)
    for changed in (kept.path, kept.path.with_name("jobs.csv")):
        before = changed.read_bytes()
        changed.write_bytes(before + b"\n")
        with pytest.raises(ProgrammeError, match="changed since"):
            submitted_programme_with_digest_checked(tmp_path / "kept", kept.key)
        changed.write_bytes(before)
    (kept.path.parent / "more.csv").write_bytes(b"x")
    with pytest.raises(ProgrammeError, match="changed since"):
        submitted_programme_with_digest_checked(tmp_path / "kept", kept.key)


def test_other_attached_files_make_another_programme(small, tmp_path):
    text, files = small
    one = check_and_keep_submitted_programme(tmp_path / "kept", "mine", text.encode(), files)
    more = files | {"jobs.csv": files["jobs.csv"] + b"999999,60,1,a\n"}
    other = check_and_keep_submitted_programme(tmp_path / "kept", "mine", text.encode(), more)
    assert one.key != other.key
    for programme in (one, other):
        inputs = [{"name": path.name, "sha256": file_sha256(path)} for path in programme.files]
        found = submitted_programme_of_run_inputs_or_none(tmp_path / "kept", inputs)
        assert found is not None
        assert found.key == programme.key
    assert submitted_programme_of_run_inputs_or_none(tmp_path / "kept", []) is None


# Through the console.


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    root = tmp_path_factory.mktemp("own")
    sample_store(root)
    with running(root) as made:
        yield made


def _upload(visitor, text, files, fields=None):
    parts = [("file", ("mine.toml", text.encode(), "application/toml"))] if text else []
    parts += [("attached", (name, data, "text/csv")) for name, data in files.items()]
    return visitor.post("/programmes", data=fields or {}, files=parts, headers=HTML)


def test_a_programme_is_uploaded_started_and_run_as_on_the_command_line(console, small, tmp_path):
    text, files = small
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        taken = _upload(visitor, text, files)
        assert taken.status_code == 303, taken.text[-2000:]
        page = visitor.get(taken.headers["location"], headers=HTML).text
        key = re.search(r"<code>(mine@[0-9a-f]{16})</code>", page)[1]
        assert 'action="/works/study"' in page
        runs = visitor.get("/runs", headers=HTML).text
        assert f"Small · {key}" in unescape(runs)
        given = {"programme": key, "what_if": "sites.home.pue=1.5"}
        work = visitor.post("/works/study", json=given).json()
        assert work["title"] == "Small"
        listed = visitor.get("/runs", headers=HTML).text
        assert "Small, with sites.home.pue = 1.5" in listed
        assert visitor.get(f"/programmes/{key}/file").text == text
        visitor.post(f"/works/{work['work_id']}/stop")
    store = console.desk.settings.store
    *_, entry = console.desk.ledger.entries(subject="programme/")
    assert (entry.subject, entry.body["by"]) == (f"programme/{key}", "planner")
    # The worker's own function, in this process.
    steps = []
    given = {"programme": key, "what_if": "", "language": "en"}
    run_id = KINDS["study"].run(store, given, steps.append)
    run = RunStore(store).get(run_id)
    assert [each["name"] for each in run.inputs][:3] == ["mine.toml", "jobs.csv", "jobs.toml"]
    assert run.headline["jobs"] == 60


def test_pasted_text_gives_the_programme_of_the_file(console, small):
    text, files = small
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        by_file = _upload(visitor, text, files).headers["location"]
        crlf = text.replace("\n", "\r\n")
        fields = {"name": "mine", "text": crlf}
        pasted = _upload(visitor, "", files, fields).headers["location"]
        assert pasted == by_file
        shipped = find_programme_path("fjord").read_text(encoding="utf-8")
        answer = visitor.post("/programmes", json={"name": "north", "text": shipped})
        assert answer.status_code == 201
        assert answer.json()["programme"].startswith("north@")


def test_faults_stand_beside_the_form_with_key_value_and_remedy(console, small):
    text, files = small
    faulty = text.replace("pue = 1.3", "pue = 0.3").replace('gpu = "A100"', 'gpu = "B200"', 1)
    faulty = faulty.replace("seed = 3", "seed = -3")
    before = len(list_newest_tasks(console.desk))
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        kept = visitor.get("/programmes.json").json()["data"]["own"]
        answer = _upload(visitor, faulty, files)
        assert answer.status_code == 422
        page = unescape(answer.text)
        assert "<code>sites.0.pue</code> " in page
        assert "(found '0.3')" in page
        assert "<code>seed</code>" in page
        assert 'role="alert"' in page
        assert 'aria-invalid="true"' in page
        # What was typed is there to be mended.
        assert "pue = 0.3" in page
        assert visitor.get("/programmes.json").json()["data"]["own"] == kept
        chinese = _upload_in(visitor, "zh-Hant", faulty, files)
        assert "未予接納" in chinese.text
    assert len(list_newest_tasks(console.desk)) == before


def _upload_in(visitor, language, text, files):
    visitor.cookies.set("language", language)
    try:
        return _upload(visitor, text, files)
    finally:
        visitor.cookies.delete("language")


def test_an_unknown_policy_is_refused_at_the_form_and_not_by_the_run(console, small):
    text, files = small
    wrong = text.replace("[funding]", '[policy]\norder = "lifo"\n[funding]')
    right = text.replace("[funding]", '[policy]\norder = "sjf"\n[funding]')
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        refused = _upload(visitor, wrong, files)
        assert refused.status_code == 422
        assert "lifo" in refused.text
        assert _upload(visitor, right, files).status_code == 303


def test_a_text_of_the_form_is_shown_as_text(console, small):
    text, files = small
    hostile = text.replace("pue = 1.3", 'pue = "</textarea><script>x</script>"')
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        answer = _upload(visitor, hostile, files)
    assert answer.status_code == 422
    assert "<script>x" not in answer.text
    assert "&lt;/textarea&gt;" in answer.text


@pytest.mark.parametrize("role", ConsoleRole)
def test_only_who_may_start_runs_hands_in_a_programme(console, small, role):
    text, files = small
    may = role in ACTION_ROLES[ConsoleAction.START_RUN]
    with console.visitor(role) as visitor:
        assert (_upload(visitor, text, files).status_code == 303) is may
        sees = role in ACTION_ROLES[ConsoleAction.SEE_PLANS]
        page = visitor.get("/programmes", headers=HTML)
        assert (page.status_code == 200) is sees
        assert ('action="/programmes"' in page.text) is may
        assert (visitor.get("/programmes/harbour/file").status_code == 200) is sees


def test_a_form_of_another_site_or_without_its_token_is_refused(console, small):
    text, _ = small
    parts = [("file", ("mine.toml", text.encode(), "application/toml"))]
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        visitor.headers.pop("x-csrf")
        assert visitor.post("/programmes", files=parts).status_code == 403
        strange = {"origin": "https://evil.example"}
        assert visitor.post("/programmes", files=parts, headers=strange).status_code == 403
    with console.stranger() as stranger:
        assert stranger.post("/programmes", files=parts).status_code == 401


def test_more_than_a_form_can_hold_is_refused(console, small):
    text, _ = small
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        answer = _upload(visitor, text, {"jobs.csv": b"x" * 300_000})
        assert answer.status_code == 413
        some = _upload(visitor, text, {"jobs.csv": b"x" * 201_000})
        assert some.status_code == 422
        assert "commonwatt study" in some.text


@pytest.mark.parametrize(
    "key", ["nothing", "..", "mine@0123456789abcdef", "harbour@0123456789abcdef"]
)
def test_a_programme_that_is_not_there_is_neither_read_nor_started(console, key):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        assert visitor.get(f"/programmes/{key}/file").status_code in {404, 422}
        given = {"programme": key}
        assert visitor.post("/works/study", json=given).status_code == 422


def test_a_job_of_ones_own_programme_can_be_explained(console, small):
    text, files = small
    store = console.desk.settings.store
    runs = console.desk.runs.list_runs("study")
    shipped = next(run.run_id for run in runs if run.title == "Harbour")
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        key = _upload(visitor, text, files).headers["location"]
        key = re.search(r"added=(mine%40[0-9a-f]{16})", key)[1].replace("%40", "@")
        given = {"programme": key, "what_if": "", "language": "en"}
        run_id = KINDS["study"].run(store, given, lambda _: None)
        job = RunStore(store).table(run_id, "fleet_jobs")["job_id"][5]
        page = visitor.get(f"/fleet?run={run_id}&job={job}", headers=HTML).text
        # A copy of a shipped programme may keep its title; its file tells the two apart.
        assert "own programme mine.toml" in page
        assert "Small (mine.toml) · 20" in page
        sample = visitor.get(f"/fleet?run={shipped}", headers=HTML).text
        assert "own programme" not in sample
        assert f'name="programme" value="{key}"' in page
        work = visitor.post("/works/explain", json={"programme": key, "job": job}).json()
        assert find_console_task(console.desk, work["work_id"]).title == "Small"


def test_nothing_half_written_is_ever_listed(small, tmp_path, monkeypatch):
    """Killed at any of its steps, a hand-in leaves no programme, and the next one is taken."""
    text, files = small

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_and_keep_submitted_programme(
            tmp_path / "kept", "mine", text.encode(), files, check=stop
        )
    assert submitted_programmes_newest_first(tmp_path / "kept") == []
    assert check_and_keep_submitted_programme(tmp_path / "kept", "mine", text.encode(), files)


def test_a_form_that_is_no_form_and_files_of_one_name_are_refused(console, small):
    text, files = small
    twice = [("attached", ("jobs.csv", data, "text/csv")) for data in (files["jobs.csv"], b"x")]
    once = [("attached", (name, data, "text/csv")) for name, data in files.items()]
    many = [("attached", (f"j{i}.csv", b"x", "text/csv")) for i in range(40)]
    file = ("file", ("mine.toml", text.encode(), "application/toml"))
    broken = {"content-type": "multipart/form-data; boundary=x", **HTML}
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        for parts, status in ((twice, 422), (once, 303), (many, 400)):
            answer = visitor.post("/programmes", files=[file, *parts], headers=HTML)
            assert answer.status_code == status, answer.text[-500:]
        assert visitor.post("/programmes", content=b"--y", headers=broken).status_code in {400, 403}


def test_a_title_of_any_length_and_sign_is_shown_as_it_is(console, small):
    text, files = small
    title = "{x} <b>&amp; " + "m" * 280
    named = text.replace('{ en = "Small", zh-Hant = "小型計劃" }', f"'{title}'")
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        handed_in = _upload(visitor, named, files)
        assert handed_in.status_code == 303, handed_in.text
        page = visitor.get(handed_in.headers["location"], headers=HTML)
        assert page.status_code == 200
        assert title in unescape(page.text)
        assert "<b>&amp;" not in page.text
        for address in ("runs", "programmes"):
            assert visitor.get(f"/{address}", headers=HTML).status_code == 200


def _hand_in(visitor, small, name):
    text, files = small
    folder = {"name": name}
    key = _upload(visitor, text, files, folder).headers["location"]
    return re.search(rf"{name}%40([0-9a-f]{{16}})", key)[0].replace("%40", "@")


def test_a_programme_of_ones_own_is_deleted_with_an_entry_and_its_runs_stay(console, small):
    store = console.desk.settings.store
    runs = RunStore(store)
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        key = _hand_in(visitor, small, "going")
        given = {"programme": key, "what_if": "", "language": "en"}
        run_id = KINDS["study"].run(store, given, lambda _: None)
        page = visitor.get(f"/programmes?added={key}", headers=HTML).text
        assert f'action="/programmes/{key.replace("@", "%40")}/delete"' in page
        answer = visitor.post(f"/programmes/{key}/delete", data={"confirm": key}, headers=HTML)
        assert answer.status_code == 303
        assert key not in visitor.get("/programmes", headers=HTML).text
        assert visitor.get(f"/programmes/{key}/file").status_code == 404
        assert visitor.get(f"/programme?run={run_id}", headers=HTML).status_code == 200
        assert visitor.get(f"/fleet?run={run_id}", headers=HTML).status_code == 200
        again = visitor.post(f"/programmes/{key}/delete", data={"confirm": key})
        assert again.status_code in (404, 422), again.text
        # What was deleted can be handed in anew, under the same key.
        assert _hand_in(visitor, small, "going") == key
    assert runs.get(run_id).headline["jobs"] == 60
    *_, entry, _ = console.desk.ledger.entries(subject=f"programme/{key}")
    assert entry.kind == "console.programme-deleted"
    assert entry.body["by"] == "planner"


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
@pytest.mark.parametrize("confirm", ["", "yes", "going@0123456789abcdef"])
def test_nothing_is_deleted_without_its_own_key_as_confirmation(console, small, confirm, language):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        key = _hand_in(visitor, small, "stays")
        visitor.headers["accept-language"] = language
        answer = visitor.post(f"/programmes/{key}/delete", data={"confirm": confirm})
        assert answer.status_code == 422
        assert key in answer.text
        assert key in visitor.get("/programmes.json").json()["data"]["own"]


def test_a_shipped_programme_is_not_deleted_and_nobody_without_the_role_deletes(console, small):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        key = _hand_in(visitor, small, "stays")
        answer = visitor.post("/programmes/harbour/delete", data={"confirm": "harbour"})
        assert answer.status_code == 422
        assert "comes with Commonwatt" in answer.text
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        answer = visitor.post(f"/programmes/{key}/delete", data={"confirm": key})
        assert answer.status_code == 403
        assert "/delete" not in visitor.get(f"/programmes?added={key}", headers=HTML).text
    assert submitted_programme_with_digest_checked(
        console_submitted_programmes_folder(console.desk.settings.store), key
    )


def test_a_programme_of_which_a_run_is_under_way_is_not_deleted(console, small):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        key = _hand_in(visitor, small, "busy")
        work = visitor.post("/works/study", json={"programme": key}).json()
        answer = visitor.post(f"/programmes/{key}/delete", data={"confirm": key})
        assert answer.status_code == 422
        assert "under way" in answer.text
        visitor.post(f"/works/{work['work_id']}/stop")
        assert visitor.post(f"/programmes/{key}/delete", data={"confirm": key}).is_success


def test_what_fails_inside_leaves_the_programme_as_it_was(small, tmp_path):
    text, files = small
    kept = check_and_keep_submitted_programme(tmp_path / "kept", "mine", text.encode(), files)
    seen = []

    def fail_inside():
        with removed_submitted_programme(tmp_path / "kept", kept.key):
            seen.append(submitted_programmes_newest_first(tmp_path / "kept"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert seen == [[]]
    assert submitted_programmes_newest_first(tmp_path / "kept") == [kept]
    with removed_submitted_programme(tmp_path / "kept", kept.key):
        pass
    assert list((tmp_path / "kept").iterdir()) == []
    with pytest.raises(ProgrammeError), removed_submitted_programme(tmp_path / "kept", "../x"):
        pass
