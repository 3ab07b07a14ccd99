"diffusion-math html: a page for each notebook, in a folder if there are several."

import os

from diffusion_math.command.main import main
from tests.teach.test_pages import notebook


def test_the_command(tmp_path, capsys):
    file = tmp_path / "a.ipynb"
    file.write_text(notebook("# One", "$x$"))
    assert main(["html", str(file), "--out", str(tmp_path / "site")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "site" / "a.html")
    (tmp_path / "bad.ipynb").write_text("[1]")
    for bad, words in (("bad.ipynb", "is no notebook"), ("none.ipynb", "No such file")):
        assert main(["html", str(tmp_path / bad)]) == 1
        assert words in capsys.readouterr().err


def test_several_notebooks_need_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more").mkdir()
    for name in ("a.ipynb", "b.ipynb", "more/a.ipynb"):
        (tmp_path / name).write_text(notebook("# One"))
    (tmp_path / "file").write_text("mine")
    for out in ("both.html", "b.ipynb", "file"):
        assert main(["html", "a.ipynb", "b.ipynb", "-o", out]) == 1
        said = (
            f"diffusion-math: argument --out: must be a folder for several notebooks, got {out}\n"
        )
        assert capsys.readouterr().err == said
    assert main(["html", "a.ipynb", "more/a.ipynb", "-o", "site"]) == 1
    assert "argument --out: two of the notebooks would be a.html" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["a.ipynb", "b.ipynb", "file", "more"]
    assert (
        main(["html", "a.ipynb", "more/a.ipynb"])
        == main(["html", "a.ipynb", "b.ipynb", "-o", "site"])
        == 0
    )
    assert sorted(os.listdir("site")) == ["a.html", "b.html"] and sorted(os.listdir("more")) == [
        "a.html",
        "a.ipynb",
    ]
