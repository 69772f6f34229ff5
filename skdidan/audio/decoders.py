"""Open audio files with libsndfile, count their frames and find out whether any are missing."""

from __future__ import annotations

import mmap
import os
import re
from contextlib import suppress
from typing import Any

import soundfile

from skdidan.audio.formats import NOT_READ
from skdidan.paths import explain_absence

__all__ = ["BLOCK", "TOLERANCE", "AudioFile", "impostor", "open_audio"]

BLOCK = 1 << 20  # frames read at once; nearly all utterances are shorter
# Seconds by which a file may be shorter than its header, or the end of a segment, says: encoders
# count samples that they add, recorders the header, and tables are rounded.
TOLERANCE = 0.1
# A program that writes to a pipe cannot go back to the header, and leaves a length like this there.
_STREAMED = 0x7F00_0000
_SIZES = re.compile(
    r"(?:data|SSND|BODY|Data Size|Data length|riff|Riff size)\s*:? (\d+) \(?should be (\d+)"
)
_REMARKS = {
    "reports a hole": "a part in its middle is missing or damaged",
    "Corrupted bitstream": "a part in its middle is missing or damaged",
    "File seems to be truncated": "its header promises more samples",
    "Seems to be a truncated file": "its header promises more samples",
}
_LONG_NAME = 500  # bytes
_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_UNKNOWN = 1 << 40  # frames, with which no file is so long
_ENDLESS = 1 << 50  # bytes
# libsndfile misplaces what follows a seek into the last page of Vorbis by some milliseconds.
_LAST_PAGE = 60  # seconds, at least
_JUNK = 1 << 16  # bytes before the first frame of an MPEG file, of which libmpg123 takes no more
_GRANULE = 576  # MPEG frames hold once or twice as many; an error discards all that is asked for
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][^\xf0-\xff]")
# Follows in a first frame that holds the number of frames, which its lowest flag says.
_COUNT = re.compile(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f](?!\0{4})")
# By this size of the whole, libsndfile recognises WAV whose size of the samples was never written.
_NEVER_CLOSED = b"RIFF\x08\0\0\0"
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
    rb"RIFF.{4}AVI |FLV\x01|\0\0\x01[\xba\xb3]|G.{187}G": f"a video: {_CONVERT}",
    rb"#!AMR|\x02?#!SILK|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\xff[\xf0\xf1\xf8\xf9]|ADIF|wvpk|MAC |"
    rb"TTA[12]|ajkg|DSD |\.RMF|\.ra\xfd": f"in a format that is not read: {_CONVERT}",
}


class AudioFile(soundfile.SoundFile):
    """An audio file that is read in order, and named in errors.

    soundfile seeks to the current position after each read of a seekable file. Files without a
    length refuse that. MPEG frames borrow bits from earlier ones; without these, the output may
    stay wrong for a minute.
    """

    def __init__(self, source: str | int | mmap.mmap | _Stream, path: str, label: str) -> None:
        self._source, self._path, self._label = source, path, label
        super().__init__(source)

    def seekable(self) -> bool:
        """Keep soundfile from seeking."""
        return False

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        super().__exit__(kind, error, traceback)
        if isinstance(error, soundfile.SoundFileError):
            raise _decoding_error(error, self._path, self._label) from error

    def count_frames(self) -> int:
        """Return the number of frames: from the header, or else by decoding the file once."""
        if self.frames < _UNKNOWN:
            return int(self.frames)
        n_frames = 0
        with open_audio(self._path, self._label) as whole:
            try:
                while n_read := len(whole.read(_GRANULE, dtype="float32")):
                    n_frames += n_read
            except soundfile.SoundFileError:
                if not (isinstance(whole._source, _Stream) and whole._source.is_over()):
                    raise
        return n_frames

    def skip_frames(self, n_frames: int) -> None:
        """Skip frames at the start of the file: by reading them, where a seek would go astray."""
        n_left, size = n_frames, max(1, BLOCK // self.channels)
        can_seek = super().seekable() and self.frames < _UNKNOWN
        if can_seek and not self.subtype.startswith(("MPEG", "DWVW")):
            last = self.frames - _LAST_PAGE * self.samplerate if self.format == "OGG" else n_frames
            n_left -= self.seek(max(0, min(n_frames, last)))
        while n_left and (n_read := len(self.read(min(size, n_left), dtype="float32"))):
            n_left -= n_read

    def missing_part(self) -> str | None:
        """Say which part of the file is missing, if it is more than `TOLERANCE`."""
        duration = self.frames / self.samplerate
        for announced, held in (map(int, sizes) for sizes in _SIZES.findall(self.extra_info)):
            if announced < _STREAMED and duration * (announced - held) > TOLERANCE * held:
                return f"it holds {held} of {announced} bytes"
        # libsndfile also misses a last page that junk follows.
        if self.format == "OGG" and not _has_last_page(self._path):
            return "its last page is missing"
        return next((part for remark, part in _REMARKS.items() if remark in self.extra_info), None)


class _Stream:
    """The content of a file from `start` on, of unknown size.

    Without the size, libmpg123 does not estimate the length, at which libsndfile would stop.
    """

    def __init__(self, path: str, start: int) -> None:
        self._content, self._start, self._at = _map(path), start, 0

    def seek(self, offset: int, whence: int) -> None:
        self._at = offset + (0, self._at, _ENDLESS)[whence]

    def tell(self) -> int:
        return self._at

    def read(self, n_bytes: int) -> bytes:
        first = self._start + self._at
        part = self._content[first : first + n_bytes]
        if first > len(self._content):
            part = bytes(n_bytes)  # libmpg123 looks for a tag before the end
        self._at += len(part)
        return part

    def is_over(self) -> bool:
        """Tell whether no further MPEG frame begins, so that a part of one or junk is left."""
        return _SYNC.search(self._content, self._start + self._at) is None


def _map(path: str) -> mmap.mmap:
    """Return the content of a file, of which changes stay in memory."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def open_audio(path: str, name: str) -> AudioFile:
    """Open an audio file, to be read in order; errors call it `name`."""
    if not os.path.isfile(path):
        raise _no_file(path, name)
    if found := impostor(path):
        raise ValueError(f"{name} is {found}.")
    try:
        file = AudioFile(_openable(path), path, name)
        if source := _other_source(file, path):
            file.close()
            file = AudioFile(source, path, name)
        if file.format == "RAW":  # libsndfile takes any .au, .snd, .vox or .gsm file for samples
            raise TypeError
    except (soundfile.SoundFileError, PermissionError) as error:
        if not os.access(path, os.R_OK):
            raise PermissionError(f"{name} cannot be read: permission denied.") from error
        raise _decoding_error(error, path, name) from error
    except TypeError as error:  # from soundfile, which asks for the sample rate of .raw files
        raise ValueError(
            f"{name} has no header (or is not audio), so its sample rate is unknown. Convert it, "
            "for example to .wav."
        ) from error
    return file


def _other_source(file: AudioFile, path: str) -> _Stream | mmap.mmap | None:
    """Return the content of a file that libsndfile would not read to its end by itself."""
    if file.format == "MP3" and (start := _uncounted(path)) is not None:
        return _Stream(path, start)
    if file.format in ("WAV", "WAVEX") and not file.frames:
        content = _map(path)
        if int.from_bytes(content[4:8], "little") + 8 != len(content):  # it was never closed
            content[:8] = _NEVER_CLOSED
            return content
    return None


def impostor(path: str | os.PathLike[str]) -> str | None:
    """Say what a file is that does not begin as audio, and the cure: "an archive: unpack it"."""
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


def _decoding_error(error: Exception, path: str, name: str) -> ValueError:
    """Return an error that says why a file cannot be decoded, and the cure if it is known."""
    # Without the prefix of soundfile: the path once more, or the number of an open file.
    reason = str(getattr(error, "error_string", error))
    if "not exist" in reason:  # what libsndfile says if libmpg123 finds no frame
        reason = "No MPEG frame found."
    if found := NOT_READ.get(os.path.splitext(path)[1].lower()):
        reason += f" Files with this suffix cannot be read: {found[1]}."
    return ValueError(f"{name} cannot be decoded: {reason}")


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
        return FileNotFoundError(f"{name} does not exist.{explain_absence(path)}")
    return FileNotFoundError(f"{name} is a pipe or a device: write what it holds to a file.")


def _uncounted(path: str) -> int | None:
    """Return where the first frame of an MPEG file begins, or None if it counts the others."""
    with open(path, "rb") as file:
        start, tag = 0, file.read(10)
        while tag.startswith(b"ID3"):  # its length is written in four times seven bits
            n_tag = sum(byte << 7 * n for n, byte in enumerate(tag[:5:-1]))
            start += 10 + n_tag + (10 if tag[5] & 0x10 else 0)  # a footer repeats its header
            file.seek(start)
            tag = file.read(10)
        file.seek(start)
        content = file.read(_JUNK)
    if _COUNT.search(content):
        return None
    sync = _SYNC.search(content)
    return start + (sync.start() if sync else 0)


def _has_last_page(path: str) -> bool:
    """Tell whether the last page of an Ogg file is whole and marked as such; junk may follow."""
    content = _map(path)
    page = content.rfind(b"OggS\0")
    body = page + 27 + sum(content[page + 26 : page + 27])
    is_whole = page >= 0 and body + sum(content[page + 27 : body]) <= len(content)
    return is_whole and content[page + 5] & 4 > 0
