"""Tiny Shakespeare: 1.1 MB of his plays, 65 characters, the classic of small language models. Public domain.

A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015.
"""

from pathlib import Path

from zoo.download import fetch
from zoo.errors import DataError

_ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
_CHECKSUM = "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class TinyShakespeare:
    """Downloads the text where it is missing.

    Args:
        data_dir: the folder that holds `tiny_shakespeare/input.txt`; `~` stands for the home folder.
    """

    def __init__(self, *, data_dir: str) -> None:
        self.path = Path(data_dir).expanduser() / "tiny_shakespeare" / "input.txt"

    def prepare(self) -> Path:
        """Returns the file, downloaded if need be.

        Raises:
            DataError: it could not be downloaded.
        """
        try:
            return fetch([_ADDRESS], self.path, checksum=_CHECKSUM)
        except OSError as error:
            problem = f"Tiny Shakespeare is not there and could not be downloaded ({' '.join(str(error).split())})"
            remedy = "put it there, or name the folder that has tiny_shakespeare/input.txt by paths.data_dir="
            raise DataError(str(self.path), problem, remedy) from error
