"""Open audio files with libsndfile, count their frames and find out whether any are missing."""

from __future__ import annotations

import io
import os
import re
from contextlib import suppress

import soundfile

from skdidan.audio.paths import explain_absence

__all__ = [
    "BLOCK",
    "count_frames",
    "decoding_error",
    "impostor",
    "missing_part",
    "open_audio",
    "skip_frames",
]

BLOCK = 1 << 20  # frames read at once; nearly all utterances are shorter
# A program that writes to a pipe cannot go back to the header, and leaves a length like this there.
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
# Follows in a first frame that holds the number of frames, which its lowest flag says.
_COUNT = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f]")

_MAGIC = 512  # bytes
_CONVERT = "convert it, for example by `ffmpeg -i FILE FILE.wav`"
# Beginnings of files that have the name of an audio file, but hold something else.
_IMPOSTORS = {
    rb"\Z": "empty: it holds 0 bytes",
    rb"version https://git-lfs\b": "a Git LFS pointer, not audio: run `git lfs pull`",
    rb"(?i:(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml))": "a web page: download it again",
    rb"PK[\x03\x05]|\x1f\x8b|BZh\d|\xfd7zXZ|7z\xbc\xaf|Rar!|.{257}ustar": "an archive: unpack it",
    rb".{4}(ftyp|moov|mdat|wide)": f"an MPEG-4 container (.mp4, .m4a, .mov): {_CONVERT}",
    rb"\x1a\x45\xdf\xa3": f"a Matroska container (.mkv, .webm): {_CONVERT}",
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11": f"Windows Media (.wma, .wmv): {_CONVERT}",
    rb"RIFF.{4}AVI |FLV\x01|\0\0\x01[\xba\xb3]|G.{187}G": f"a video: {_CONVERT}",
    rb"#!AMR|\x02?#!SILK": f"speech in AMR or SILK, as phones record it: {_CONVERT}",
    rb"\xff[\xf0\xf1\xf8\xf9]|ADIF": f"AAC without a container: {_CONVERT}",
    rb"wvpk|MAC |TTA[12]|ajkg|DSD |\.RMF|\.ra\xfd": f"in a format that is not read: {_CONVERT}",
}


class _MPEGFile(soundfile.SoundFile):
    """An MPEG file, which must be decoded from its start.

    Its frames borrow bits from earlier ones. After a seek libmpg123 lacks these bits, and its
    output may stay wrong for a minute. soundfile seeks to the current position after each read,
    unless a file is not seekable.
    """

    def seekable(self) -> bool:
        return False


def open_audio(path: str, name: str) -> soundfile.SoundFile:
    """Open an audio file; one that is not `seekable` must be read in order."""
    if not os.path.isfile(path):
        raise _no_file(path, name)
    try:
        file = soundfile.SoundFile(_openable(path))
        if file.format == "MP3":
            file.close()
            file = _MPEGFile(_openable(path))
    except (soundfile.SoundFileError, PermissionError) as error:
        if not os.access(path, os.R_OK):
            raise PermissionError(f"{name} cannot be read: permission denied.") from error
        raise _refusal(path, name) or decoding_error(error, name) from error
    except TypeError as error:  # from soundfile, which asks for the sample rate of .raw files
        raise _refusal(path, name) or _no_rate(name) from error
    # libsndfile takes any .au, .snd, .vox or .gsm file without a header for samples, and libmpg123
    # looks for frames in any .mp3 file.
    if file.format in ("RAW", "MP3") and (error := _refusal(path, name)):
        file.close()
        raise error
    if file.format == "RAW":
        file.close()
        raise _no_rate(name)
    return file


def _refusal(path: str, name: str) -> ValueError | None:
    return ValueError(f"{name} is {found}.") if (found := impostor(path)) else None


def _no_rate(name: str) -> ValueError:
    return ValueError(
        f"{name} has no header (or is not audio), so its sample rate is unknown. Convert it, for "
        "example to .wav."
    )


def impostor(path: str | os.PathLike[str]) -> str | None:
    """Say what a file is that begins as no audio file does, and the cure; None for any other.

    The answer continues "The file is": for example "a Git LFS pointer, not audio: run ...".
    """
    with suppress(OSError), open(path, "rb") as file:  # the reader says why a file does not open
        start = file.read(_MAGIC)
        found = (what for magic, what in _IMPOSTORS.items() if re.match(magic, start, re.DOTALL))
        return next(found, None)
    return None


def _openable(path: str) -> str | int:
    """Return the path, or an open file if libsndfile would refuse the path."""
    # libsndfile refuses names of 1024 bytes, older versions of 512, and soundfile names that are
    # not UTF-8; neither refuses an open file. But only from a name does libsndfile recognise MPEG
    # that begins with junk.
    encoded = os.fsencode(path)
    by_name = len(encoded) < _LONG_NAME and encoded == path.encode(errors="ignore")
    return path if by_name else os.open(path, _READ_ONLY)


def decoding_error(error: Exception, name: str) -> ValueError:
    """Return an error that says why a file cannot be decoded."""
    # Without the prefix of soundfile: the path once more, or the number of an open file.
    reason = str(getattr(error, "error_string", error))
    # libsndfile says "File does not exist" if libmpg123 finds no frame.
    return ValueError(
        f"{name} cannot be decoded: {'No MPEG frame found.' if 'not exist' in reason else reason}"
    )


def _no_file(path: str, name: str) -> OSError:
    """Return an error that says why there is no file."""
    if os.path.isdir(path):
        return FileNotFoundError(f"{name} is a directory.")
    if os.path.islink(path):
        return FileNotFoundError(f"{name} is a link to {os.readlink(path)!r}, which is not a file.")
    try:
        os.stat(path)
    except PermissionError:
        return PermissionError(f"{name} cannot be read: permission to open its folder is denied.")
    except (OSError, ValueError):  # a ValueError for an impossible name
        pass
    return FileNotFoundError(f"{name} does not exist.{explain_absence(path)}")


def count_frames(file: soundfile.SoundFile, path: str, name: str) -> int:
    """Count the frames of a file: from its header, or by decoding an MPEG file without a count."""
    if not isinstance(file, _MPEGFile):
        return file.frames
    start, has_count = _first_frame(path)
    if has_count:
        return file.frames
    # The length of libmpg123 is an estimate from the size of the first frame.
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
    # libsndfile stops at the estimate, even if another frame follows.
    if bytes(rest[:2]) >= b"\xff\xe0" and len(rest) * n_frames > _UNREAD * file.samplerate * n_read:
        raise ValueError(
            f"{name} cannot be decoded to its end: its header holds no length. Convert it, for "
            "example to .flac."
        )
    return n_frames


def _first_frame(path: str) -> tuple[int, bool]:
    """Return where an MPEG file's first frame, or junk like it, begins, and if it has a count."""
    with open(path, "rb") as file:
        tag, start = file.read(10), 0
        if tag.startswith(b"ID3"):  # its length is written in four times seven bits
            n_tag = sum(byte << 7 * n for n, byte in enumerate(tag[:5:-1]))
            start = 10 + n_tag + (10 if tag[5] & 0x10 else 0)  # a footer repeats its header
        file.seek(start)
        content = file.read(_JUNK)
        sync = _SYNC.search(content)
        return start + (sync.start() if sync else 0), _COUNT.search(content) is not None


def skip_frames(file: soundfile.SoundFile, n_frames: int, name: str) -> int:
    """Skip frames at the start of a file: by seeking, or by reading if it cannot seek."""
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
    """Find in the remarks of libsndfile whether samples of a file are missing."""
    for announced, held in _SIZES.findall(remarks):
        if int(held) < int(announced) < _STREAMED:
            return f"it holds {held} of {announced} bytes"
    return next((part for remark, part in _REMARKS.items() if remark in remarks), None)
