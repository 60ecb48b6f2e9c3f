import contextlib
import sqlite3
import stat

import pytest

from relaionet.annotations.label_studio.installation import STUDIO_VERSION
from relaionet.annotations.label_studio.upgrade import DATABASE, note_version, prepare_folder, read_version
from relaionet.manifests.errors import BadInput, Corrupt


@pytest.fixture
def folder(tmp_path):
    """A server's folder with a small database."""
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("CREATE TABLE answers (id INTEGER)")
        database.executemany("INSERT INTO answers VALUES (?)", [(i,) for i in range(100)])
        database.commit()
    return tmp_path


def test_nothing_is_done_where_nothing_changes(tmp_path, folder):
    assert prepare_folder(folder) is None  # made before versions were noted
    note_version(folder)
    assert read_version(folder) == STUDIO_VERSION
    assert prepare_folder(folder) is None
    assert not (folder / "backups").exists()


def test_a_database_is_saved_before_a_newer_version_opens_it(folder):
    note_version(folder, "1.22.9")
    writing = sqlite3.connect(folder / DATABASE)  # also while somebody writes
    writing.execute("INSERT INTO answers VALUES (100)")
    copy = prepare_folder(folder, "1.23.0")
    writing.close()
    assert "1.22.9" in copy.name
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*), max(id) FROM answers").fetchone() == (100, 99)
    assert not list((folder / "backups").glob("*.part"))


@pytest.mark.parametrize("newer", ["1.23.10", "2.0.0", "99.1"])
def test_a_newer_database_is_refused_and_left_alone(folder, newer):
    note_version(folder, newer)
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(BadInput, match=rf"belongs to Label Studio {newer}; this installation has 1\.23\.9"):
        prepare_folder(folder, "1.23.9")
    assert (folder / DATABASE).read_bytes() == before
    assert read_version(folder) == newer


def test_a_damaged_database_stops_the_upgrade(folder):
    note_version(folder, "1.20.0")
    (folder / DATABASE).write_bytes(b"no database at all" * 500)
    with pytest.raises(Corrupt, match="Nothing was changed"):
        prepare_folder(folder, "1.23.0")
    assert list((folder / "backups").iterdir()) == []
