"""Train the judge of digits that ships with the package on the full MNIST: two minutes on one core.

python benchmarks/judge.py --data DIR     # DIR holds torchvision's MNIST; writes diffusion_math/assets
"""

from pathlib import Path

from common import arguments, need_mnist, say
from features import accuracy, train

from diffusion_math import mnist
from diffusion_math.training.checkpoint import write_sealed
from diffusion_math.training.merit import JUDGE, DigitJudge, digit_judge

EPOCHS = 8
ASSETS = Path(__file__).parents[1] / "diffusion_math" / "assets"


def main() -> None:
    root = need_mnist(arguments(__doc__).data)
    judge = train(*mnist("train", root, labels=True), epochs=EPOCHS, make=DigitJudge)
    tensors = {k: w.half() if w.is_floating_point() else w for k, w in judge.state_dict().items()}
    write_sealed(ASSETS / JUDGE, tensors, {"judge": "of digits"})
    right = accuracy(digit_judge(), *mnist("test", root, labels=True))
    weights = sum(w.numel() for w in judge.parameters())
    say(file=JUDGE, weights=weights, right=f"{right:.2%} of the 10,000 test digits")


if __name__ == "__main__":
    main()
