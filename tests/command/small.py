"Small pictures and small runs for the tests of the commands, and what a command told."

import numpy as np

SMALL = "--width 4 --mults 1 --T 20 --batch 8 --every 4 --quiet".split()


def shades(n: int, low: int, high: int) -> np.ndarray:
    rng = np.random.RandomState(low)
    return rng.randint(low, high, (n, 8, 8, 3), np.uint8)


def told(capsys) -> str:
    "The one line on the error output."
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1 and "Traceback" not in err and not out, err
    return err


def of(model, data) -> list[str]:
    "The options that say which model, and which pictures."
    return ["--model", str(model), "--data", str(data)]
