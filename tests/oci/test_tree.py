import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import File, TreeConfig, canonical, pack, read_config, unpack
from slipway.structure import write

CONFIG = TreeConfig(("python", "main.py"), 8000, {"GIT_REVISION": "0123abc"})
FILES = (
    File("main.py", b"print('hello')\n"),
    File("bin/start", b"#!/bin/sh\n", executable=True),
    File("app/deep/er/module.py", b""),
    File("current", b"app/deep", link=True),
    File("app/übung.txt", "größer".encode()),
)


def packed(*files: File) -> bytes:
    return pack(files, CONFIG, committed=1_700_000_000, annotations={}).layers[0].content


def archive(*members: tarfile.TarInfo, content: bytes = b"mine now") -> bytes:
    """A layer that slipway would not make."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w:gz") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return plain.getvalue()


def a_file(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def a_link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.fixture
def folder(tmp_path):
    """Where the files belong; what appears beside it has escaped."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@given(st.permutations(FILES))
def test_equal_files_give_equal_bytes_in_whatever_order_they_come(files):
    one = pack(FILES, CONFIG, 1_700_000_000, {"revision": "0123abc"})
    other = pack(files, CONFIG, 1_700_000_000, {"revision": "0123abc"})
    assert one.manifest().digest == other.manifest().digest


@pytest.mark.parametrize(
    "other",
    [
        (*FILES[1:], File("main.py", b"print('bye')\n")),
        (*FILES[1:], File("main.py", b"print('hello')\n", executable=True)),
        (*FILES[1:], File("Main.py", b"print('hello')\n")),
        FILES[1:],
    ],
    ids=["content", "mode", "name", "one less"],
)
def test_other_files_give_another_digest(other):
    one, two = (pack(files, CONFIG, 1_700_000_000, {}).manifest().digest for files in (FILES, other))
    assert one != two


def test_a_layer_carries_no_time_but_the_commits_and_no_owner(tmp_path):
    layer = packed(*FILES)
    assert layer[4:8] == bytes(4)  # gzip's own time
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as tar:
        assert {(member.mtime, member.uid, member.gid, member.uname) for member in tar} == {(1_700_000_000, 0, 0, "")}


def test_files_come_back_as_they_were(folder):
    unpack(packed(*FILES), folder)
    assert (folder / "main.py").read_bytes() == b"print('hello')\n"
    assert (folder / "app/übung.txt").read_text() == "größer"
    assert (folder / "bin/start").stat().st_mode & 0o777 == 0o755
    assert (folder / "main.py").stat().st_mode & 0o777 == 0o644
    assert (folder / "current").readlink().as_posix() == "app/deep"
    assert (folder / "current/er/module.py").is_file()


def test_a_folder_that_is_not_there_yet_is_made(tmp_path):
    unpack(packed(*FILES), tmp_path / "new/tree")
    assert (tmp_path / "new/tree/main.py").is_file()


ESCAPES = {
    "an absolute name": [a_file("/tmp/slipway-escaped")],
    "a name that goes up": [a_file("../escaped")],
    "a name that goes down and up": [a_file("a/../../escaped")],
    "an absolute link": [a_link("link", "/etc/passwd")],
    "a link that goes up": [a_link("link", "../escaped")],
    "a link that goes up from deep": [a_link("a/b/link", "../../../escaped")],
    "a file below a link to elsewhere": [a_link("up", ".."), a_file("up/escaped")],
    "a link by way of a link": [a_link("here", "."), a_link("link", "here/../escaped")],
    "a file over a link by way of a link": [a_link("here", "."), a_link("link", "here/../escaped"), a_file("link")],
    "a file over a link that turned outward later": [
        a_link("link", "here/../escaped"),
        a_link("here", "."),
        a_file("link"),
    ],
    "a link that turned outward later": [a_link("link", "here/../escaped"), a_link("here", ".")],
}


@pytest.mark.parametrize("members", ESCAPES.values(), ids=ESCAPES)
def test_a_layer_that_leads_out_of_its_folder_is_refused_and_writes_nothing_there(members, folder):
    with pytest.raises(RefusedError, match="leads out of its folder"):
        unpack(archive(*members), folder)
    assert [path.name for path in folder.parent.iterdir()] == ["inside"]


def test_links_that_stay_inside_are_kept(folder):
    unpack(archive(a_file("app/one"), a_link("app/two", "one"), a_link("three", "app/../app/two")), folder)
    assert (folder / "three").read_bytes() == b"mine now"


def test_devices_and_pipes_are_left_out(folder):
    pipe = tarfile.TarInfo("pipe")
    pipe.type = tarfile.FIFOTYPE
    unpack(archive(pipe, a_file("file")), folder)
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "layer",
    [b"", b"no archive", gzip.compress(b"no archive"), packed(*FILES)[:-40]],
    ids=["nothing", "text", "gzip", "half"],
)
def test_bytes_that_are_no_layer_are_refused(layer, folder):
    with pytest.raises(RefusedError, match="cannot be unpacked"):
        unpack(layer, folder)


def test_a_layer_that_would_fill_the_disk_is_refused_before_its_file_is_written(folder):
    member = tarfile.TarInfo("zeros")
    member.size = 2**31  # the content would follow
    with pytest.raises(RefusedError, match="the files of the layer are larger than 1 GiB"):
        unpack(gzip.compress(member.tobuf()), folder)
    assert [*folder.iterdir()] == []


def test_a_second_name_of_a_file_that_is_not_there_is_refused(folder):
    member = tarfile.TarInfo("hard")
    member.type, member.linkname = tarfile.LNKTYPE, "/etc/passwd"
    with pytest.raises(RefusedError, match="cannot be unpacked"):
        unpack(archive(member), folder)


def test_a_config_is_read_as_it_was_packed():
    assert read_config(pack(FILES, CONFIG, 0, {}).config.content, "notes") == CONFIG


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"[]",
        b"{}",
        canonical(write(CONFIG) | {"port": "8000"}),
        canonical(write(CONFIG) | {"more": 1}),
    ],
)
def test_a_config_that_cannot_be_read_names_its_origin(content):
    with pytest.raises(BadInputError, match="the config of notes@sha256:12 cannot be read"):
        read_config(content, "notes@sha256:12")
