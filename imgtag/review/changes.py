"""What became of the pictures since a training: why it may be worth training again."""

from __future__ import annotations

from dataclasses import dataclass

from imgtag.data.dataset import Dataset
from imgtag.training.runs import Run


@dataclass(frozen=True)
class Changes:
    """Numbers of pictures. relabelled: of the run's, with another class now; removed: no longer among the labelled
    ones; added: labelled, and unknown to the run."""

    relabelled: int
    removed: int
    added: int

    @property
    def any(self) -> bool:
        """Whether a training now would learn something else."""
        return bool(self.relabelled or self.removed or self.added)


def changes_since(run: Run, dataset: Dataset) -> Changes:
    """Compare the run's manifest with the labelled pictures of now, as a training would take them."""
    then = {row.sha256: row.label for row in run.manifest()}
    now = {p.id: p.label for p in dataset.for_training}
    if not then.keys() & now.keys():  # it came from elsewhere, without its pictures
        return Changes(0, 0, len(now))
    return Changes(
        relabelled=sum(id_ in now and now[id_] != label for id_, label in then.items()),
        removed=sum(id_ not in now for id_ in then),
        added=sum(id_ not in then for id_ in now),
    )
