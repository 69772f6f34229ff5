"""Audio files under libsndfile: opening them, how long they are, and what they lack."""

from __future__ import annotations

import io
import os
import re

import soundfile

__all__ = ["BLOCK", "count_frames", "decoding_error", "missing_part", "open_audio", "skip_frames"]

BLOCK = 1 << 20  # frames read at once; nearly all recordings of one utterance are shorter
# A program that writes to a pipe cannot return to the header, and leaves a length like this in it.
_STREAMED = 0x7F00_0000
_SIZES = re.compile(
    r"(?:data|SSND|BODY|Data Size|Data length|riff|Riff size)\s*:? (\d+) \(?should be (\d+)"
)
_REMARKS = {
    "Last page lacks an end-of-stream bit": "its last page is missing",
    "Junk after the last page": "its last page is cut off, or junk follows it",
    "reports a hole": "a part in its middle is missing or damaged",
    "Corrupted bitstream": "a part in its middle is missing or damaged",
    "File seems to be truncated": "its header promises more samples",
    "Seems to be a truncated file": "its header promises more samples",
}
_LONG_NAME = 500  # bytes
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_UNREAD = 0.1  # seconds
_JUNK = 1 << 14  # bytes before the first frame of an MPEG file
_SYNC = re.compile(rb"\xff[\xe0-\xff]")
# What follows that in the first frame, if it counts the others: the lowest flag says so.
_COUNT = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f]")


class _MPEGFile(soundfile.SoundFile):
    """An MPEG file, which can only be decoded from its start onwards.

    Its frames borrow bits from those before. After a seek libmpg123 lacks these, and what it then
    returns may stay wrong for a minute. soundfile seeks after each read, to where it stands, unless
    a file says that it cannot.
    """

    def seekable(self) -> bool:
        return False


def open_audio(path: str, name: str) -> soundfile.SoundFile:
    """Open an audio file.

    Parameters
    ----------
    path : str
        The file.
    name : str
        What errors call it.

    Returns
    -------
    file : SoundFile
        The file at its first frame. One that is not `seekable` is read onwards only.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If it may not be read.
    ValueError
        If libsndfile cannot decode it, or it is empty or has no header.
    """
    if not os.path.isfile(path):
        raise _no_file(path, name)
    if not os.path.getsize(path):
        raise ValueError(f"{name} is empty: it holds 0 bytes.")
    try:
        file = soundfile.SoundFile(_openable(path))
        if file.format == "MP3":
            file.close()
            file = _MPEGFile(_openable(path))
    except (soundfile.SoundFileError, PermissionError) as error:
        if not os.access(path, os.R_OK):
            raise PermissionError(f"{name} may not be read: you have no permission.") from error
        raise decoding_error(error, name) from error
    except TypeError as error:  # of soundfile, which asks for the rate of what ends in .raw
        raise _no_rate(name) from error
    # Whatever ends in .au, .snd, .vox or .gsm and has no header, libsndfile takes for samples.
    if file.format == "RAW":
        file.close()
        raise _no_rate(name)
    return file


def _no_rate(name: str) -> ValueError:
    return ValueError(
        f"{name} says nothing of its sample rate, since it has no header or is no audio. Convert "
        "it, for example to .wav."
    )


def _openable(path: str) -> str | int:
    """Return a path, or an open file where that has to stand for it."""
    # libsndfile refuses names of 1024 bytes, 512 in its older versions, and soundfile those that
    # are no UTF-8; but neither refuses an open file. Only a name, though, tells it that what begins
    # with junk is MPEG.
    encoded = os.fsencode(path)
    by_name = len(encoded) < _LONG_NAME and encoded == path.encode(errors="ignore")
    return path if by_name else os.open(path, _READ_ONLY)


def decoding_error(error: Exception, name: str) -> ValueError:
    """Say that a file cannot be decoded, and why.

    Parameters
    ----------
    error : Exception
        What soundfile raised.
    name : str
        What errors call the file.

    Returns
    -------
    error : ValueError
        The one to raise.
    """
    # Without what soundfile puts first: the path once more, or the number of an open file.
    reason = str(getattr(error, "error_string", error))
    # What libsndfile says where libmpg123 finds no frame; that there is a file is known.
    return ValueError(
        f"{name} cannot be decoded: {'It holds no MPEG.' if 'not exist' in reason else reason}"
    )


def _no_file(path: str, name: str) -> OSError:
    """Say why there is no file."""
    if os.path.isdir(path):
        return FileNotFoundError(f"{name} is a directory.")
    if os.path.islink(path):
        return FileNotFoundError(f"{name} is a link to {os.readlink(path)!r}, which is no file.")
    try:
        os.stat(path)
    except PermissionError:
        return PermissionError(
            f"{name} may not be read: you have no permission to enter its folder."
        )
    except (OSError, ValueError):  # a ValueError, if there can be no such name
        pass
    return FileNotFoundError(f"{name} does not exist.")


def count_frames(file: soundfile.SoundFile, path: str, name: str) -> int:
    """Count the frames of a file, by its header if that knows.

    Parameters
    ----------
    file : SoundFile
        What `open_audio` returns; it is not read.
    path, name : str
        As in `open_audio`.

    Returns
    -------
    n_frames : int
        Frames that the header promises; those that there are in an MPEG file that promises none,
        which is decoded for it.

    Raises
    ------
    ValueError
        If such an MPEG file cannot be decoded, or not to its end.
    """
    if not isinstance(file, _MPEGFile):
        return file.frames
    start, has_count = _first_frame(path)
    if has_count:
        return file.frames
    # What libmpg123 takes for the length is an estimate from the size of the first frame.
    with open(path, "rb") as source:
        source.seek(start)
        content = io.BytesIO(source.read())
    try:
        with _MPEGFile(content) as whole:
            n_frames = skip_frames(whole, whole.frames, name)
            n_read = content.tell()
    except soundfile.SoundFileError as error:
        raise decoding_error(error, name) from error
    rest = content.getbuffer()[n_read:]
    # libsndfile stops at the estimate, even where another frame follows.
    if bytes(rest[:2]) >= b"\xff\xe0" and len(rest) * n_frames > _UNREAD * file.samplerate * n_read:
        raise ValueError(
            f"{name} cannot be decoded to its end: it does not say how long it is. Convert it, "
            "for example to .flac."
        )
    return n_frames


def _first_frame(path: str) -> tuple[int, bool]:
    """Tell where the first frame of an MPEG file begins, and whether one there counts the others.

    What looks like a frame may be junk, with which libmpg123 copes.
    """
    with open(path, "rb") as file:
        tag, start = file.read(10), 0
        if tag.startswith(b"ID3"):  # its length is given in four times seven bits
            n_tag = sum(byte << 7 * n for n, byte in enumerate(tag[:5:-1]))
            start = 10 + n_tag + (10 if tag[5] & 0x10 else 0)  # a footer repeats its header
        file.seek(start)
        content = file.read(_JUNK)
        sync = _SYNC.search(content)
        return start + (sync.start() if sync else 0), _COUNT.search(content) is not None


def skip_frames(file: soundfile.SoundFile, n_frames: int, name: str) -> int:
    """Go forward in a file, by reading if it cannot seek.

    Parameters
    ----------
    file : SoundFile
        What `open_audio` returns, at its first frame.
    n_frames : int >= 0
        Frames to leave out.
    name : str
        What errors call the file.

    Returns
    -------
    n_skipped : int
        Frames left out; fewer if the file ends before.

    Raises
    ------
    ValueError
        If the file cannot be decoded.
    """
    try:
        if file.seekable():
            return int(file.seek(n_frames))
        n_skipped = 0
        while n_read := len(file.read(min(BLOCK, n_frames - n_skipped), dtype="float32")):
            n_skipped += n_read
        return n_skipped
    except soundfile.SoundFileError as error:
        raise decoding_error(error, name) from error


def missing_part(remarks: str) -> str | None:
    """Return what libsndfile says of samples that a file should hold and lacks.

    Parameters
    ----------
    remarks : str
        The `extra_info` of a file, before or after it is read.

    Returns
    -------
    part : str or None
        A clause on what is missing.
    """
    for announced, held in _SIZES.findall(remarks):
        if int(held) < int(announced) < _STREAMED:
            return f"it holds {held} of {announced} bytes"
    return next((part for remark, part in _REMARKS.items() if remark in remarks), None)
