"diffusion-math course: it hands over the course, and never writes over what the reader changed."

import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_math.command import course as room
from diffusion_math.command.course import copy_course
from diffusion_math.command.main import main
from tests.forks import ran
from tests.lab import ROOT, Lab, load_lab, new_page


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.ipynb").write_text(text)
    return folder


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.ipynb")}


def states(report: dict) -> dict:
    return {state: names for state, names in report.items() if names}


def test_the_whole_course_is_copied(tmp_path):
    report = copy_course(tmp_path / "mine")
    shipped = {p.relative_to(ROOT / "nbs").as_posix() for p in (ROOT / "nbs").rglob("*.ipynb")}
    shipped = {name for name in shipped if ".ipynb_checkpoints" not in name}
    assert shipped <= set(report["new"]) and "03_forward_process.ipynb" in shipped
    assert any(name.startswith("workshop/") for name in report["new"])
    for name in report["new"]:
        ours, theirs = (
            (folder / name).read_bytes() for folder in (ROOT / "nbs", tmp_path / "mine")
        )
        if name.endswith(".ipynb"):  # all the same, but for the kernel that is here
            ours, theirs = json.loads(ours), json.loads(theirs)
            assert theirs["metadata"].pop("language_info")["version"] == platform.python_version()
            assert theirs["metadata"].pop("kernelspec")["name"] == "python3"
            del ours["metadata"]["kernelspec"]
            ours["metadata"].pop("language_info", None)
        assert ours == theirs
    again = copy_course(tmp_path / "mine")
    assert states(again) == {"same": report["new"]}


def test_updates_what_is_untouched_and_keeps_what_is_not(tmp_path):
    source, mine = write(tmp_path / "source", a="a1", b="b1"), tmp_path / "mine"
    assert states(copy_course(mine, source=source)) == {"new": ["a.ipynb", "b.ipynb"]}
    write(mine, a="my a")
    write(source, a="a2", b="b2", c="c2")
    report = copy_course(mine, source=source)
    assert states(report) == {"new": ["c.ipynb"], "updated": ["b.ipynb"], "kept": ["a.ipynb"]}
    assert texts(mine) == {"a.ipynb": "my a", "b.ipynb": "b2", "c.ipynb": "c2"}


def test_theirs_goes_beside_and_is_the_readers_too(tmp_path):
    source, mine = write(tmp_path / "source", a="a1"), tmp_path / "mine"
    copy_course(mine, source=source)
    write(mine, a="my a")
    assert states(copy_course(mine, source=source, theirs=True)) == {
        "kept": ["a.ipynb"],
        "beside": ["a.new.ipynb"],
    }
    write(source, a="a2")
    copy_course(mine, source=source, theirs=True)
    assert texts(mine) == {"a.ipynb": "my a", "a.new.ipynb": "a2"}
    (mine / "a.new.ipynb").write_text("my merge")
    report = copy_course(mine, source=source, theirs=True)
    assert states(report) == {"kept": ["a.ipynb", "a.new.ipynb"]}
    assert texts(mine) == {"a.ipynb": "my a", "a.new.ipynb": "my merge"}


def test_files_that_no_copy_wrote_are_the_readers(tmp_path):
    source, mine = (
        write(tmp_path / "source", a="a1", b="b1"),
        write(tmp_path / "mine", a="mine before"),
    )
    assert states(copy_course(mine, source=source)) == {"new": ["b.ipynb"], "kept": ["a.ipynb"]}
    assert texts(mine) == {"a.ipynb": "mine before", "b.ipynb": "b1"}


def test_a_deleted_file_comes_back(tmp_path):
    source, mine = write(tmp_path / "source", a="a1"), tmp_path / "mine"
    copy_course(mine, source=source)
    (mine / "a.ipynb").unlink()
    assert states(copy_course(mine, source=source)) == {"new": ["a.ipynb"]}


def page(*cells, output: str = "", **metadata) -> str:
    "A notebook as text: a heading, and cells of code with an output."
    code = {"cell_type": "code", "metadata": {}, "execution_count": None}
    put = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    made = [{"cell_type": "markdown", "metadata": {}, "source": "# A page"}]
    made += [{**code, "source": source, "outputs": put} for source in cells]
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_that_was_opened_and_run_is_not_yours(tmp_path):
    "Its outputs and metadata differ, its cells do not: it stays as it is until a newer version comes, and goes along."
    source, mine = write(tmp_path / "source", a=page("x = 1"), b=page("y = 1")), tmp_path / "mine"
    copy_course(mine, source=source)
    ran = page("x = 1", output="hello", language_info={"name": "python", "version": "9.9"})
    write(mine, a=ran, b=page("y = 2"))
    assert states(copy_course(mine, source=source)) == {"same": ["a.ipynb"], "kept": ["b.ipynb"]}
    assert texts(mine)["a.ipynb"] == ran
    write(source, a=page("x = 3"), b=page("y = 3"))
    assert states(copy_course(mine, source=source)) == {"updated": ["a.ipynb"], "kept": ["b.ipynb"]}
    assert '"x = 3"' in texts(mine)["a.ipynb"] and '"y = 2"' in texts(mine)["b.ipynb"]


def shows(*cells, version="1"):
    "A page whose cells are (source, what it shows); their names are their places."
    made = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": source, "execution_count": 1,
         "outputs": [{"output_type": "stream", "name": "stdout", "text": [text]}]}
        for i, (source, text) in enumerate(cells)
    ]  # fmt: skip
    return json.dumps(
        {"cells": made, "metadata": {"v": version}, "nbformat": 4, "nbformat_minor": 5}
    )


def test_new_outputs_reach_a_notebook_that_is_not_yours(tmp_path):
    "Where the reader has run nothing; what their own run has shown stays, in cells that are still the same."
    source, mine = tmp_path / "source", tmp_path / "mine"
    write(source, a=shows(("x = 1", "old"), ("y = 1", "old"), ("z = 1", "old")))
    copy_course(mine, source=source)
    write(mine, a=shows(("x = 1", "old"), ("y = 1", "mine"), ("z = 1", "mine")))
    write(source, a=shows(("x = 1", "new"), ("y = 1", "new"), ("z = 2", "new"), version="2"))
    assert states(copy_course(mine, source=source)) == {"updated": ["a.ipynb"]}
    cells = json.loads(texts(mine)["a.ipynb"])["cells"]
    assert ["".join(cell["outputs"][0]["text"]) for cell in cells] == ["new", "mine", "new"]
    assert [cell["source"] for cell in cells] == ["x = 1", "y = 1", "z = 2"]
    assert states(copy_course(mine, source=source)) == {"same": ["a.ipynb"]}


def test_a_link_that_leads_nowhere_is_the_reader_s(tmp_path):
    source, mine = write(tmp_path / "source", a=page("x = 1")), tmp_path / "mine"
    mine.mkdir()
    (mine / "a.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")
    assert states(copy_course(mine, source=source)) == {"kept": ["a.ipynb"]}
    assert (mine / "a.ipynb").is_symlink() and not (tmp_path / "elsewhere.ipynb").exists()


def test_a_file_nested_too_deep_is_the_reader_s(tmp_path):
    source, mine = write(tmp_path / "source", a=page("x = 1")), tmp_path / "mine"
    deep = '{"cells": ' + "[" * 100_000
    write(mine, a=deep)
    assert states(copy_course(mine, source=source)) == {"kept": ["a.ipynb"]}
    (mine / ".diffusion_math.json").write_text(deep)
    with pytest.raises(ValueError, match=".diffusion_math.json is damaged"):
        copy_course(mine, source=source)


@pytest.mark.parametrize(
    "changed",
    [
        page("x = 1 "),
        page("x = 1", ""),
        page(),
        page("x = 1").replace("# A page", "# My page"),
        page("x = 1").replace('"code"', '"raw"'),
        page("x = 1").replace(
            '"# A page"', '"# A page", "attachments": {"a.png": {"image/png": "iVBO"}}'
        ),
        page("x = 1")[:-1],
        "{}",
        "",
    ],
)
def test_whatever_a_reader_can_write_makes_it_theirs(tmp_path, changed):
    source, mine = write(tmp_path / "source", a=page("x = 1")), tmp_path / "mine"
    copy_course(mine, source=source)
    write(mine, a=changed)
    assert changed != page("x = 1")
    for version in ("x = 1", "x = 2"):
        write(source, a=page(version))
        assert states(copy_course(mine, source=source)) == {"kept": ["a.ipynb"]}
        assert texts(mine) == {"a.ipynb": changed}


def test_notes_of_the_first_edition_are_understood(tmp_path):
    "They hold the SHA-256 of whole files."
    source, mine = (
        write(tmp_path / "source", a=page("1"), b=page("2"), c=page("3")),
        tmp_path / "mine",
    )
    old = {"a": page("1"), "b": page("old"), "c": page("old")}
    write(mine, **(old | {"a": page("1", output="ran"), "c": page("mine")}))
    sha = {f"{name}.ipynb": hashlib.sha256(text.encode()).hexdigest() for name, text in old.items()}
    (mine / ".diffusion_math.json").write_text(json.dumps({"sha256": sha}))
    assert states(copy_course(mine, source=source)) == {
        "same": ["a.ipynb"],
        "updated": ["b.ipynb"],
        "kept": ["c.ipynb"],
    }


def test_a_copy_without_jupyter_is_to_the_letter(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_home", dict)
    source, mine = write(tmp_path / "source", a=page("x = 1")), tmp_path / "mine"
    copy_course(mine, source=source)
    assert texts(mine) == texts(source)


def opened_and_left(open_notebook, path):
    "Whether JupyterLab counts the notebook as changed, once its kernel has said all that it has to say."
    nb = open_notebook(path)
    return nb.page.evaluate("""async () => {
        const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
        const { kernel } = sessionContext.session;
        await Promise.all([kernel.info, kernel.spec, context.ready]);
        await kernel.requestKernelInfo();
        for (let i = 0; i < 30; i++) await new Promise(requestAnimationFrame);
        return context.model.dirty;
    }""")


def test_opening_a_chapter_does_not_change_it(lab, open_notebook):
    "And as it lies in the repository, without the kernel that is here, it does: so the test sees it."
    name = "03_forward_process.ipynb"
    (lab.root / "one").mkdir()
    shutil.copy(lab.root / name, lab.root / "one")
    copy_course(lab.root / "mine", source=lab.root / "one")
    path = lab.root / "mine" / name
    before = path.read_bytes()
    assert opened_and_left(open_notebook, f"mine/{name}") is False
    assert path.read_bytes() == before
    assert opened_and_left(open_notebook, name) is True


def test_a_chapter_that_jupyterlab_ran_and_saved_is_not_yours(lab, open_notebook):
    source, mine = write(lab.root / "source", a=page("print('hello')")), lab.root / "theirs"
    copy_course(mine, source=source)
    before = texts(mine)
    nb = open_notebook("theirs/a.ipynb")
    assert nb.run_all()
    nb.page.evaluate("window.jupyterapp.shell.currentWidget.context.save()")
    assert texts(mine) != before and "hello\\n" in texts(mine)["a.ipynb"]
    assert states(copy_course(mine, source=source)) == {"same": ["a.ipynb"]}
    write(source, a=page("print('again')"))
    assert states(copy_course(mine, source=source)) == {"updated": ["a.ipynb"]}


DEEDS = st.sampled_from(["edit", "release", "copy", "copy --theirs"])
ACTIONS = st.lists(st.tuples(DEEDS, st.sampled_from(["a", "b", "a.new"])), max_size=12)


@given(ACTIONS)
def test_no_edit_is_ever_lost(tmp_path_factory, actions):
    folder = tmp_path_factory.mktemp("course")
    source, mine = write(folder / "source", a="a0", b="b0"), write(folder / "mine", a="before")
    edits = {"a.ipynb": "before"}
    for i, (action, name) in enumerate(actions):
        if action == "edit":
            edits[f"{name}.ipynb"] = f"reader {i}"
            write(mine, **{name: f"reader {i}"})
        elif action == "release":
            write(source, **{name[0]: f"version {i}"})
        else:
            copy_course(mine, source=source, theirs=action != "copy")
        assert edits.items() <= texts(mine).items()
    copy_course(mine, source=source)
    untouched = {name: text for name, text in texts(source).items() if name not in edits}
    assert untouched.items() <= texts(mine).items()


def test_a_copy_that_is_cut_off_leaves_whole_files(tmp_path, monkeypatch):
    source, mine = write(tmp_path / "source", a="a1"), tmp_path / "mine"
    copy_course(mine, source=source)
    write(source, a="a2")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(OSError, match="no space left"):
            copy_course(mine, source=source)
    assert texts(mine) == {"a.ipynb": "a1"}
    assert {path.name for path in mine.iterdir()} == {"a.ipynb", ".diffusion_math.json"}
    assert states(copy_course(mine, source=source)) == {"updated": ["a.ipynb"]}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_copy_that_is_cut_short_knows_what_it_wrote(tmp_path, monkeypatch, stop):
    source, mine = write(tmp_path / "source", a="a1", b="b1"), tmp_path / "mine"
    put = room._put

    def cut(folder, name, content, notes):
        if name == "b.ipynb":
            raise stop
        return put(folder, name, content, notes)

    with monkeypatch.context() as patch:
        patch.setattr(room, "_put", cut)
        with pytest.raises(stop):
            copy_course(mine, source=source)
    assert texts(mine) == {"a.ipynb": "a1"}
    write(source, a="a2")
    assert states(copy_course(mine, source=source)) == {"new": ["b.ipynb"], "updated": ["a.ipynb"]}
    assert texts(mine) == {"a.ipynb": "a2", "b.ipynb": "b1"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sha256": 3}', b"\xff"])
def test_damaged_notes_are_an_error(tmp_path, content, capsys):
    (tmp_path / ".diffusion_math.json").write_bytes(content)
    assert main(["course", str(tmp_path), "--copy-only"]) == 1
    err = capsys.readouterr().err
    assert ".diffusion_math.json is damaged" in err and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == [".diffusion_math.json"]


def test_the_notes_hold_fingerprints_only(tmp_path):
    copy_course(tmp_path / "mine", source=write(tmp_path / "source", a="a1"))
    notes = json.loads((tmp_path / "mine" / ".diffusion_math.json").read_text())
    sha = "f55ff16f66f43360266b95db6f8fec01d76031054306ae4a4b380598f6cfd114"
    assert notes == {"sha256": {"a.ipynb": sha}, "cells": {"a.ipynb": sha}, "outputs": {}}


@pytest.fixture
def short(tmp_path, monkeypatch):
    "A course of two pages in the place of the whole one."
    source = write(tmp_path / "source", index=page("1"), a=page("2"))
    monkeypatch.setattr(room, "_source", lambda: source)


def test_what_the_command_says(tmp_path, short, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["course", "--copy-only"]) == 0
    assert capsys.readouterr().out.startswith("diffusion_math_course: ")
    Path("diffusion_math_course/index.ipynb").write_text("mine")
    assert main(["course", "--copy-only"]) == 0
    out = capsys.readouterr().out
    assert "0 new, 0 updated" in out and "kept yours: index.ipynb" in out and "--theirs" in out
    assert main(["course", "--copy-only", "--theirs"]) == 0
    assert "new version beside it: index.new.ipynb" in capsys.readouterr().out


@pytest.fixture
def opened(monkeypatch):
    "What JupyterLab would have been started with."
    calls = []
    monkeypatch.setattr(room, "_open_lab", lambda *args: calls.append(args))
    return calls


def test_a_read_only_copy_opens(tmp_path, short, opened, monkeypatch):
    "As the system refuses to write; chmod does not stop root."
    copy_course(tmp_path / "mine")

    def refused(path, content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(room, "write_file", refused)
    assert main(["course", str(tmp_path / "mine")]) == 0 and len(opened) == 1
    (tmp_path / "mine" / "index.ipynb").unlink()
    assert main(["course", str(tmp_path / "mine")]) == 1 and len(opened) == 1


def test_opens_the_copy(tmp_path, short, opened):
    assert main(["course", str(tmp_path / "mine"), "--port", "8899", "--no-browser"]) == 0
    assert opened == [(tmp_path / "mine", "00_the_hour.ipynb", 8899, False, False, False)]
    assert (tmp_path / "mine" / "index.ipynb").is_file()


def test_a_checkout_is_opened_where_it_is(opened, monkeypatch):
    monkeypatch.chdir(ROOT)
    before = sorted(p.name for p in (ROOT / "nbs").iterdir())
    assert main(["course", "nbs", "--once"]) == 0
    assert opened == [(ROOT, "nbs/00_the_hour.ipynb", 8888, True, True, False)]
    assert sorted(p.name for p in (ROOT / "nbs").iterdir()) == before


def test_without_jupyterlab_it_says_what_to_install(tmp_path, short, monkeypatch):
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r'pip install "diffusion_math\[course\]"'):
        main(["course", str(tmp_path / "mine")])
    assert not (tmp_path / "mine").exists()
    assert main(["course", str(tmp_path / "mine"), "--copy-only"]) == 0


def test_the_notebooks_of_a_wheel_come_first(tmp_path, monkeypatch):
    package = tmp_path / "diffusion_math"
    monkeypatch.setattr(room, "files", lambda name: package)
    package.mkdir()
    with pytest.raises(FileNotFoundError, match="install diffusion_math again"):
        room._source()
    write(tmp_path / "nbs", a="a")
    assert room._source() == tmp_path / "nbs"
    write(package / "course", a="a")
    assert room._source() == package / "course"


@pytest.mark.parametrize("port", ["-1", "65536", "lab", "8.5", ""])
def test_ports_that_are_none(port, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["course", f"--port={port}", "--copy-only"])
    assert stop.value.code == 2 and "port must lie in 0 to 65535" in capsys.readouterr().err


def test_a_file_in_the_way_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "mine").write_text("a file")
    assert main(["course", str(tmp_path / "mine"), "--copy-only"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("diffusion-math: ") and "mine" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "platform, screen, browser, expected",
    [
        ("linux", {"DISPLAY": ":0"}, True, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ("linux", {"BROWSER": "firefox"}, True, True),
        ("linux", {}, True, False),
        ("linux", {"DISPLAY": ":0"}, False, False),
        ("darwin", {}, True, True),
        ("win32", {}, False, False),
    ],
)
def test_a_browser_opens_where_there_is_a_screen(platform, screen, browser, expected, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    for key in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(key, raising=False)
    for key, value in screen.items():
        monkeypatch.setenv(key, value)
    arguments = room._lab_arguments(Path("x"), "index.ipynb", 8888, browser)
    assert ("--no-browser" not in arguments) == expected
    assert (
        "--LabApp.default_url=/lab/tree/index.ipynb" in arguments
        and "--ServerApp.port=8888" in arguments
    )


@pytest.mark.parametrize("user, allowed", [(0, True), (1000, False)])
def test_root_is_let_in(user, allowed, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in room._lab_arguments(Path("x"), "index.ipynb", 8888, True)) == allowed


@pytest.mark.parametrize("before", [None, "/a/folder"])
def test_jupyterlab_does_not_ask_whether_it_may_fetch_news(before, monkeypatch):
    "As its pages are told it; and the part of that name is one that this JupyterLab has."
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.config import get_page_config

    name, key = "@jupyterlab/apputils-extension:announcements", "JUPYTER_CONFIG_PATH"
    assert any(
        name.encode() in path.read_bytes() for path in Path(get_app_dir(), "static").glob("*.js")
    )
    monkeypatch.setenv(key, before) if before else monkeypatch.delenv(key, raising=False)
    assert name not in get_page_config([])["disabledExtensions"]
    with room._lab_settings(wide=True):
        assert name in get_page_config([])["disabledExtensions"]
        assert os.environ[key].endswith(before or "")
        folder = Path(os.environ[key].split(os.pathsep)[0])
    assert os.environ.get(key) == before and not folder.exists()


LETTERS = """p => {
    const [range, tops] = [document.createRange(), new Map()];
    range.selectNodeContents(p);
    for (const { top, left, right } of range.getClientRects()) {
        const [low, high] = tops.get(Math.round(top)) ?? [left, right];
        tops.set(Math.round(top), [Math.min(low, left), Math.max(high, right)]);
    }
    return p.textContent.length / [...tops.values()].reduce((sum, [low, high]) => sum + high - low, 0) * p.clientWidth;
}"""


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.long
def test_prose_in_jupyterlab_has_lines_that_one_can_read(wide, tmp_path, browser):
    "About ninety letters, where the whole window would hold more; and a dark theme dims what is white."
    with room._lab_settings(wide):
        lab = Lab(tmp_path, more={"JUPYTER_CONFIG_PATH": os.environ["JUPYTER_CONFIG_PATH"]})
        try:
            with new_page(browser) as page:
                page.set_viewport_size({"width": 1600, "height": 900})
                load_lab(lab, page)
                page.evaluate(
                    "jupyterapp.commands.execute('docmanager:open', { path: '00_the_hour.ipynb' })"
                )
                # as soon as JupyterLab has laid out its panels
                page.wait_for_function(
                    "([low, high]) => {"
                    "    const all = [...document.querySelectorAll('.jp-MarkdownOutput > p')]"
                    "        .filter((p) => !/[$\\\\]/.test(p.textContent) && !p.querySelector('mjx-container'));"
                    "    if (!all.length) return false;"
                    "    const longest = all.reduce((a, b) => (a.textContent.length > b.textContent.length ? a : b));"
                    f"    const letters = ({LETTERS})(longest);"
                    "    return low < letters && letters < high;"
                    "}",
                    arg=[120, 1000] if wide else [75, 100],
                )
                page.evaluate("document.body.dataset.jpThemeLight = 'false'")
                picture = page.locator(".jp-RenderedImage img").first
                picture.wait_for(state="attached")
                seen = picture.evaluate("e => getComputedStyle(e).filter")
                assert seen == ("none" if wide else "brightness(0.87)")
        finally:
            lab.close()


def test_it_says_so_when_the_page_never_comes(lab, monkeypatch):
    "Of a JupyterLab that runs, taken for this process's own: it has one page, and not the other."
    mine = lambda: [{"pid": os.getpid(), "url": f"{lab.url}/", "token": lab.token}]
    monkeypatch.setattr("jupyter_server.serverapp.list_running_servers", mine)
    done = ran(lambda: room._stop_when_up("index.ipynb"))
    assert done.returncode == -signal.SIGTERM and f"answers at {lab.url}/lab/tree/" in done.stdout
    done = ran(lambda: room._stop_when_up("no_such_page.ipynb", seconds=1))
    assert done.returncode == 1 and "did not serve no_such_page.ipynb within 1 s" in done.stderr


def test_the_language_is_what_the_kernel_says_of_itself():
    "Asked in another process: once its kernel is loaded, progress bars take this one for a notebook."
    code = (
        "import json; from ipykernel.ipkernel import IPythonKernel\n"
        "from jupyter_client.kernelspec import KernelSpecManager\n"
        "spec = KernelSpecManager().get_kernel_spec('python3')\n"
        "print(json.dumps([IPythonKernel.language_info, spec.display_name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    home = room._home()
    told = [home["language_info"], home["kernelspec"]["display_name"]]
    assert told == json.loads(done.stdout)
