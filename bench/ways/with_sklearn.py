"""scikit-learn on imgtag's own features: what a reader would write who knows that features need no second look."""

from __future__ import annotations

import time

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.floor import features_of
from bench.outcome import Outcome
from bench.sets import Manifest, Picture
from imgtag.training.backbones import BACKBONES, Backbone
from imgtag.training.extractor import Extractor, load_extractor

CHOICES = (1e-3, 1e-2, 1e-1, 1.0)


def train(manifest: Manifest) -> Outcome:
    """Features once, C by 3-fold cross-validation on the training pictures."""
    began = time.perf_counter()
    row = BACKBONES["efficientnet_lite0"]
    extractor = load_extractor(row)
    train, val, test = (manifest.part(split) for split in ("train", "val", "test"))
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=CHOICES, cv=3, max_iter=300, scoring="accuracy"))
    model.fit(_features(train, row, extractor), _labels(train))
    val_right = int((model.predict(_features(val, row, extractor)) == _labels(val)).sum())
    seconds = time.perf_counter() - began
    test_right = int((model.predict(_features(test, row, extractor)) == _labels(test)).sum())
    return Outcome(seconds, 1, len(train), val_right, test_right)


def _features(pictures: list[Picture], row: Backbone, extractor: Extractor) -> np.ndarray:
    return features_of([p.path for p in pictures], row, extractor)


def _labels(pictures: list[Picture]) -> np.ndarray:
    return np.array([p.label for p in pictures])
