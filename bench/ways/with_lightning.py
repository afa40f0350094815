"""The ten monkeys: PyTorch Lightning fine-tunes all layers, at a learning rate that its finder suggests."""

from __future__ import annotations

import tempfile
import time

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.tuner import Tuner
from torch import nn
from torchvision import transforms

from bench.outcome import Outcome
from bench.sets import Manifest
from bench.ways.shared import SIZE, TO_TENSOR, WIDTH, backbone, count_right, loaders


class Tagger(pl.LightningModule):
    """The backbone with a new last layer; everything learns. `seen` counts training pictures, the finder's too."""

    def __init__(self, classes: int, lr: float = 1e-3) -> None:
        super().__init__()
        self.network = backbone()
        self.network.classifier = nn.Linear(WIDTH, classes)
        self.lr, self.seen = lr, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> torch.Tensor:
        x, y = batch
        self.seen += len(y)
        return nn.functional.cross_entropy(self(x), y)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], number: int) -> None:
        x, y = batch
        answers = self(x)
        self.log("val_loss", nn.functional.cross_entropy(answers, y))
        self.log("val_acc", (answers.argmax(dim=1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def train(manifest: Manifest, epochs: int = 10) -> Outcome:
    """At most ten epochs, stopped when the validation loss has not fallen for three; the best checkpoint counts."""
    pl.seed_everything(manifest.repeat)
    began = time.perf_counter()
    augment = transforms.Compose([transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip(), *TO_TENSOR])
    parts = loaders(manifest, augment, batch=32)
    tagger = Tagger(len(manifest.classes))
    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(dirpath=folder, monitor="val_loss", mode="min")
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            default_root_dir=folder,
            callbacks=[EarlyStopping("val_loss", patience=3), best],
            enable_progress_bar=False,
        )
        Tuner(trainer).lr_find(tagger, parts["train"], parts["val"])
        trainer.fit(tagger, parts["train"], parts["val"])
        state = torch.load(best.best_model_path, weights_only=False)["state_dict"]
    tagger.load_state_dict(state)
    seconds = time.perf_counter() - began
    right = {split: count_right(tagger, parts[split]) for split in ("val", "test")}
    return Outcome(seconds, trainer.current_epoch, tagger.seen, right["val"], right["test"])
