import os

import pytest

from nawf.errors import InputError
from nawf.settings import Settings, load_settings


@pytest.fixture
def folder(tmp_path):
    """Folder with a settings file of the given text."""

    def write(text):
        (tmp_path / "nawf.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_defaults_where_nothing_is_set(tmp_path):
    assert load_settings(folder=tmp_path, environment={}) == Settings()


def test_later_sources_win_one_key_at_a_time(folder):
    where = folder("store: file.db\nworkers: 2\nthreads: 3\nbatch_size: 8\n")
    environment = {"NAWF_WORKERS": "5", "NAWF_THREADS": "6"}
    settings = load_settings({"threads": 7, "device": None}, folder=where, environment=environment)
    assert (settings.batch_size, settings.workers, settings.threads) == (8, 5, 7)
    assert (settings.store, settings.device) == ("file.db", "cpu")


def test_a_flag_that_was_not_given_changes_nothing_and_a_zero_counts(tmp_path):
    environment = {"NAWF_STORE": "env.db", "NAWF_WORKERS": "4"}
    settings = load_settings({"store": None, "workers": 0}, folder=tmp_path, environment=environment)
    assert (settings.store, settings.workers) == ("env.db", 0)


def test_the_real_environment_and_folder_are_the_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAWF_DEVICE", "cuda:1")
    (tmp_path / "nawf.yaml").write_text("threads: 2\n")
    settings = load_settings()
    assert (settings.device, settings.threads) == ("cuda:1", 2)


def test_folders_of_structures(folder):
    assert load_settings(folder=folder("structures: [a, b c]\n"), environment={}).structures == ("a", "b c")
    environment = {"NAWF_STRUCTURES": os.pathsep.join(["/x", "y z"])}
    assert load_settings(folder=folder("structures: [a]\n"), environment=environment).structures == ("/x", "y z")


@pytest.mark.parametrize("text", ["", os.pathsep, f"a{os.pathsep}"])
def test_an_empty_name_is_no_folder(tmp_path, text):
    """An empty name would mean the current folder, which is then searched for cards."""
    settings = load_settings(folder=tmp_path, environment={"NAWF_STRUCTURES": text})
    assert "" not in settings.structures


def test_the_home_folder_is_one_place(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    where = folder("store: ~/nawf.db\nstructures: [~/own, here/~]\nstore_password_file: ~/secret\n")
    settings = load_settings(folder=where, environment={})
    assert settings.store == f"{tmp_path}/nawf.db"
    assert settings.structures == (f"{tmp_path}/own", "here/~")
    assert settings.store_password_file == f"{tmp_path}/secret"
    assert load_settings({"store": "~/b.db"}, folder=where, environment={}).store == f"{tmp_path}/b.db"
    with pytest.raises(InputError, match="store: ~nobody-here is nobody's home folder"):
        load_settings({"store": "~nobody-here/nawf.db"}, folder=where, environment={})


@pytest.mark.parametrize("key", sorted(key for key in Settings.model_fields if key.endswith("_command")))
@pytest.mark.parametrize(("value", "told"), [("srun 'vasp_std", "no closing quotation"), ("a\\", "no escaped")])
def test_commands_that_have_no_words(tmp_path, key, value, told):
    with pytest.raises(InputError, match=rf"environment: .*{key}: cannot be split into words: {told}"):
        load_settings(folder=tmp_path, environment={f"NAWF_{key.upper()}": value})
    assert load_settings({key: "srun 'a b' -n 2"}, folder=tmp_path, environment={})


def test_other_variables_are_none_of_its_business(tmp_path):
    environment = {"NAWF_TEST_MONGO_URI": "mongodb://x", "NAWFX": "1", "MY_NAWF_STORE": "x", "STORE": "x"}
    assert load_settings(folder=tmp_path, environment=environment) == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour: red\n", "colour: unknown key"),
        ("Store: a.db\n", "Store: unknown key"),
        ("workers: many\n", "workers: "),
        ("workers: 2.5\n", "workers: "),
        ("workers: -1\n", "workers: "),
        ("store: 5\n", "store: "),
        ("store: ''\n", "store: "),
        ("structures: here\n", "structures: "),
        ("device: tpu\n", "device: "),
        ("batch_size: 0\n", "batch_size: "),
        ("workers: -1\nthreads: x\n", "threads: "),
        ("workers: 1\nworkers: 2\n", "'workers' is given twice"),
        ("[a]\n", "does not hold a YAML mapping"),
    ],
)
def test_mistakes_in_the_file_name_it_in_one_line(folder, text, words):
    where = folder(text)
    with pytest.raises(InputError) as caught:
        load_settings(folder=where, environment={"NAWF_WORKERS": "1"})
    message = str(caught.value)
    assert message.startswith(f"{where / 'nawf.yaml'}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("environment", "flags", "source", "words"),
    [
        ({"NAWF_COLOUR": "red"}, {}, "environment", "colour: unknown key"),
        ({"NAWF_WORKERS": "many"}, {}, "environment", "workers: "),
        ({"NAWF_STORE": ""}, {}, "environment", "store: "),
        ({"NAWF_DEVICE": "cpu\n"}, {}, "environment", "device: "),
        ({}, {"workers": -3}, "command line", "workers: "),
        ({}, {"device": "gpu"}, "command line", "device: "),
        ({"NAWF_DEVICE": "cuda"}, {"device": "gpu"}, "command line", "device: "),
    ],
)
def test_mistakes_name_their_source(folder, environment, flags, source, words):
    with pytest.raises(InputError) as caught:
        load_settings(flags, folder=folder("threads: 2\n"), environment=environment)
    assert str(caught.value).startswith(f"{source}: ")
    assert words in str(caught.value)


def test_a_wrong_setting_is_refused_even_if_a_later_source_mends_it(folder):
    with pytest.raises(InputError, match=r"nawf\.yaml: .*workers"):
        load_settings({"workers": 1}, folder=folder("workers: -1\n"), environment={"NAWF_WORKERS": "2"})


def test_values_of_the_environment_are_not_repeated(tmp_path):
    """What stands in an unknown variable may be a secret."""
    for name in ("NAWF_PASSWORD", "NAWF_WORKERS", "NAWF_DEVICE"):
        with pytest.raises(InputError) as caught:
            load_settings(folder=tmp_path, environment={name: "hunter2"})
        assert "hunter2" not in str(caught.value)
    secrets = [name for name in Settings.model_fields if "pass" in name or "secret" in name or "token" in name]
    assert secrets == ["store_password_file"]


def test_a_password_is_no_setting_and_the_file_of_one_is(tmp_path):
    environment = {"NAWF_STORE_PASSWORD": "hunter2", "NAWF_STORE_PASSWORD_FILE": "/run/secrets/mongo"}
    settings = load_settings({"store": "mongodb://me:hunter2@host/db"}, folder=tmp_path, environment=environment)
    assert settings.store_password_file == "/run/secrets/mongo"
    assert "hunter2" not in repr(settings) + str(settings)


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Settings().workers = 3
