"""Bunches of corpora and tasks that print as one line."""

from __future__ import annotations

from collections import Counter

from sklearn.utils import Bunch

from skdidan.corpora.faults import span, tally

__all__ = ["CorpusBunch", "TaskBunch"]


class CorpusBunch(Bunch):
    """Files, emotions and speakers of a corpus."""

    def __repr__(self) -> str:
        """Count the recordings, the speakers and each emotion."""
        if not {"files", "emotion", "speaker"} <= self.keys():
            return super().__repr__()
        counts = tally(Counter(map(str, self.emotion))).replace("'", "")
        names, n_files = set(map(str, self.speaker)), len(self.files)
        speakers = "unknown speakers" if names == {"unknown"} else f"{len(names)} speaker(s)"
        kind = "segments" if any(span(file)[0] for file in self.files[:100]) else "recordings"
        return f"<corpus {self.get('name', '')}: {n_files} {kind}, {speakers}, {counts}>"


class TaskBunch(Bunch):
    """Rows, labels and speakers of a source and a target."""

    def __repr__(self) -> str:
        """Count the rows of both domains and name the classes."""
        if not {"X_src", "X_tgt", "classes"} <= self.keys():
            return super().__repr__()
        source, target = self.get("source", "source"), self.get("target", "target")
        source = source if isinstance(source, str) else " and ".join(source)
        return (
            f"<task {source} to {target}: {len(self.X_src)} source and {len(self.X_tgt)} target "
            f"recordings, {', '.join(map(str, self.classes))}>"
        )
