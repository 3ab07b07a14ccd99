"Hands setuptools the metadata that settings.ini holds."

from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
low, high = (int(cfg[k].split(".")[1]) for k in ("min_python", "max_python"))
cli, course, site = (cfg[f"{kind}_requirements"].split() for kind in ("cli", "course", "site"))

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    project_urls={"Source": cfg["git_url"]},
    license=cfg["license"],
    keywords=cfg["keywords"].split(),
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in range(low, high + 1)],
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require={
        "cli": cli,
        "course": course,
        "diffusers": cfg["diffusers_requirements"].split(),
        "site": course + site,
        "dev": course + site + cfg["dev_requirements"].split(),
    },
    entry_points={"console_scripts": cfg["console_scripts"].splitlines()},
    packages=[
        *find_packages(include=["diffusion_math", "diffusion_math.*"]),
        "diffusion_math.course",
    ],
    package_dir={"diffusion_math.course": "nbs"},
    package_data={
        "diffusion_math": ["assets/*", "explore/*.js", "explore/*.css"],
        "diffusion_math.course": ["*.ipynb", "workshop/**/*.ipynb", "images/*"],
    },
    # what only README.md and CONTRIBUTING.md show
    exclude_package_data={
        "diffusion_math.course": [
            f"images/{name}" for name in ("drag.webp", "imports.svg", "noising_explorer.png")
        ]
    },
)
