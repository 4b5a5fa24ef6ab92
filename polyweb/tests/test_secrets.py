import stat

from polyweb.stack import secrets


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_for_its_owner_only_and_so_is_its_directory(tmp_path):
    secrets.write(tmp_path / "safe" / "secret", "hidden")
    assert mode(tmp_path / "safe" / "secret") == 0o600
    assert mode(tmp_path / "safe") == 0o700


def test_writing_again_replaces_the_file_and_leaves_no_other(tmp_path):
    secrets.write(tmp_path / "secret", "old")
    secrets.write(tmp_path / "secret", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "new"


def test_a_kept_secret_is_made_once_and_differs_from_place_to_place(tmp_path):
    first = secrets.kept(tmp_path / "a")
    assert secrets.kept(tmp_path / "a") == first
    assert secrets.kept(tmp_path / "b") != first
    assert len(first) == 64
