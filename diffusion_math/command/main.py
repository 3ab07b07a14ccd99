"The command diffusion-math: its subcommands, and what goes wrong in one line."

import argparse
import sys

from .course import add_course

__all__ = []


class _Parser(argparse.ArgumentParser):
    "A parser that tells an error in one line."

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    "Print the installed version; asked for only here, since looking it up takes time."

    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import version

        print(version("diffusion_math"))
        parser.exit()


def _one_line(error: BaseException) -> str:
    "What an error says, or its name where it says nothing."
    return " ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__


def _wants_memory(error: BaseException) -> bool:
    "Is it PyTorch's or Python's way to say that the memory is full?"
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    text = str(error)
    return named or "allocate memory" in text or "not enough memory" in text


def _run(args: argparse.Namespace) -> int:
    "Run the command; its exit status, with what went wrong in one line."
    try:
        args.run(args)
    except KeyboardInterrupt as stop:
        print(f"diffusion-math: {stop if str(stop) else 'stopped'}", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError, FloatingPointError) as error:
        print(f"diffusion-math: {_one_line(error)}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _wants_memory(error):
            raise
        less = [f"--{name}" for name in ("batch", "n", "size", "width") if name in args.defaults]
        told = f"the memory is not enough for this; a smaller {' or '.join(less)} needs less of it"
        print(f"diffusion-math: {told} ({_one_line(error)})", file=sys.stderr)
        return 1
    return 0


def main(argv: list[str] | None = None) -> int:
    "The command `diffusion-math`: its arguments, or those in `argv`; returns the exit status."
    from diffusion_math.command.evaluate import add_evaluate
    from diffusion_math.command.html import add_html
    from diffusion_math.command.sample import add_sample
    from diffusion_math.command.train import add_train

    parser = _Parser(
        "diffusion-math",
        description="The maths of diffusion models, in notebooks and from a shell.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_course, add_html, add_train, add_sample, add_evaluate):
        add(subcommands)
    return _run(parser.parse_args(argv))
