"""Numbers too small for fp32's full precision are 0, in every thread."""

import subprocess
import sys

PROGRAM = """
import torch
torch.set_num_threads(2)
import models.nets.train
tiny = torch.full((1536, 256), 1e-20)
print(float((tiny @ tiny[:1024].T).max()), float(torch.tensor(1e-20) * 1e-20))
small = torch.full((1536, 256), 1e-18)
print(float((small @ small[:1024].T).max()) > 0)
"""


def test_denormals_are_flushed() -> None:
    """256 products of 1e-40 each, which would make 2.6e-38 were they kept; of 1e-36 they are."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["0.0", "0.0", "True"], done.stderr
