"""What Lightning tells the run folder while it trains, and checkpoints that survive a full disk and a power cut."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.plugins.io import TorchCheckpointIO

from imgtag.core import storage
from imgtag.training.event_log import EventLog
from imgtag.training.head import Stopped
from imgtag.training.progress import Watch
from imgtag.training.tuning.module import Tagger

_POINT_EVERY_S = 0.5
_MOST_POINTS = 500  # roughly; a night's training must not make a curve that no page can draw


class SafeCheckpoints(TorchCheckpointIO):
    """Checkpoints written whole or not at all, and read without unpickling anything but tensors and numbers."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write one; on a full disk the old one stays and DiskFull says how much is needed."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        storage.require_space(Path(path), buffer.getbuffer().nbytes)
        storage.atomic_write(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Read one."""
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return loaded


class Reporter(Callback):
    """Phase, curve, speed; pause and stop; what Lightning knows goes to the run folder and nowhere else.

    most_seconds: of the run, without pauses; after them the learning ends.
    """

    def __init__(
        self, watch: Watch, *, epochs: int, validates: bool, phase: str = "tuning", most_seconds: float = math.inf
    ) -> None:
        self.watch, self.epochs, self.validates, self.phase = watch, epochs, validates, phase
        self.most_seconds = most_seconds
        self.stopped = False
        self.events = EventLog(watch.folder)
        self.best_epoch, self.best_loss = 0, math.inf
        self._last = 0.0
        self._sums = np.zeros(3)  # loss, right, pictures since the last point

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best_epoch": self.best_epoch, "best_loss": self.best_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where another left off."""
        self.best_epoch, self.best_loss = int(state_dict["best_epoch"]), float(state_dict["best_loss"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure from the first step on, not from the loading before it."""
        self._last = self.watch.seconds
        self._say(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A point of the curve every half second, later on more rarely; look for a wish to pause or stop."""
        self._sums += (float(outputs["loss"].detach()) * len(batch[1]), outputs["right"], len(batch[1]))
        now = self.watch.seconds
        if now - self._last >= max(_POINT_EVERY_S, now / _MOST_POINTS):
            seconds = now - self._last
            loss, right, pictures = map(float, self._sums)
            self.watch.measured(
                f"{self.phase} step",
                step=trainer.global_step,
                epoch=round(trainer.current_epoch + (batch_idx + 1) / int(trainer.num_training_batches), 3),
                train_loss=loss / pictures,
                train_accuracy=right / pictures,
                rate=_rate(trainer),
                pictures_per_second=round(pictures * trainer.world_size / seconds, 1),
            )
            self._last, self._sums = now, np.zeros(3)
        self._say(trainer)
        self._obey(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Pause here too; a stop waits for the figures of the round, which decide what is kept."""
        with contextlib.suppress(Stopped):
            self.watch.check_stop()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One point of the curve for the round."""
        self._round_done(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Without validation pictures the round ends here."""
        if not self.validates:
            self._round_done(trainer, pl_module)

    def _round_done(self, trainer: Trainer, module: LightningModule) -> None:
        values = cast(Tagger, module).means()
        loss = values.get("val_loss", values.get("train_loss", math.inf))
        if loss < self.best_loss:
            self.best_epoch, self.best_loss = trainer.current_epoch + 1, loss
        self.watch.measured(self.phase, epoch=trainer.current_epoch + 1, rate=_rate(trainer), **values)
        if trainer.is_global_zero:
            self.events.catch_up()

    def _say(self, trainer: Trainer) -> None:
        batches = max(1, int(trainer.num_training_batches))
        message = f"Learning, round {min(trainer.current_epoch + 1, self.epochs)} of at most {self.epochs}"
        self.watch.phase(self.phase, message, self.epochs * batches, min(trainer.global_step, self.epochs * batches))

    def _obey(self, trainer: Trainer) -> None:
        wanted = False
        try:
            self.watch.check_stop()
        except Stopped:
            wanted = True
        if trainer.strategy.reduce_boolean_decision(wanted, all=False):
            self.stopped = trainer.should_stop = True
        if self.most_seconds < math.inf:
            over = not self.watch.silent and self.watch.seconds >= self.most_seconds  # the first process has the clock
            if trainer.strategy.reduce_boolean_decision(over, all=False):
                trainer.should_stop = True


def _rate(trainer: Trainer) -> float:
    """The step size of the part that learns fastest."""
    return max(float(group["lr"]) for group in trainer.optimizers[0].param_groups)
