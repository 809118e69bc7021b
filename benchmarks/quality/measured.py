"""The figures of one protocol: models of every seed and the baselines, on each split and in each way of filtering."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev

from benchmarks.quality.prepared import prepared
from benchmarks.quality.protocol import SEEN, Protocol
from training.families.config import FamilyConfig
from training.settings import TrainingSettings

Metrics = dict[str, float]


@dataclass(frozen=True)
class Setting:
    """A split and a way of filtering; `seen` is None for a family that does not filter by history."""

    split: str
    seen: bool | None

    @property
    def filtering(self) -> str:
        """The way of filtering in words, "" if there is none."""
        return {True: "seen filtered", False: "seen kept", None: ""}[self.seen]


@dataclass(frozen=True)
class Run:
    """One trained model: best validation metrics, duration of the training in seconds, and its place in the run."""

    split: str
    seed: int
    validation: Metrics
    seconds: float
    best_step: int
    steps: int


@dataclass
class Measured:
    """Test metrics, under the published names, by setting and seed, and of the baselines by setting."""

    runs: list[Run] = field(default_factory=list)
    models: dict[Setting, dict[int, Metrics]] = field(default_factory=dict)
    baselines: dict[Setting, dict[str, Metrics]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def means(self, setting: Setting) -> Metrics:
        """Return the means over the seeds."""
        return _over_seeds(self.models[setting], mean)

    def deviations(self, setting: Setting) -> Metrics:
        """Return the sample standard deviations over the seeds; empty for one seed."""
        found = self.models[setting]
        return _over_seeds(found, stdev) if len(found) > 1 else {}


def _over_seeds(found: Mapping[int, Metrics], of: Callable[[list[float]], float]) -> Metrics:
    first = next(iter(found.values()))
    return {name: of([each[name] for each in found.values()]) for name in first}


def measure(
    protocol: Protocol,
    source: Path,
    splits: list[str],
    seeds: list[int],
    config: FamilyConfig,
    settings: TrainingSettings,
    folder: Path,
) -> Measured:
    """Fit, train and evaluate; data and models are written below `folder`."""
    measured = Measured()
    for split in splits:
        data = prepared(protocol.schema_of(split), source, folder)
        _measure_baselines(protocol, split, data, config, measured)
        for seed in seeds:
            model = data.parent / f"{config.family}-{seed}"
            _train(data, model, config, settings.model_copy(update={"seed": seed}), split, measured)
            _test(protocol, split, seed, data, model, config, measured)
    return measured


def settings_of(protocol: Protocol, split: str, config: FamilyConfig) -> list[Setting]:
    """Return the settings of a split; the first filters as the config does."""
    if SEEN not in type(config).model_fields:
        return [Setting(split, None)]
    first = bool(getattr(config, SEEN))
    return [Setting(split, seen) for seen in dict.fromkeys((first, *protocol.exclude_seen))]


def _train(
    data: Path, model: Path, config: FamilyConfig, settings: TrainingSettings, split: str, measured: Measured
) -> None:
    from training.trainer import fit

    print(f"{split}, seed {settings.seed}: training {config.family}", file=sys.stderr)
    with redirect_stdout(sys.stderr):
        done = fit(data, model, config, settings, overwrite=True)
    measured.runs.append(Run(split, settings.seed, done.validation, done.seconds, done.best_step, done.steps))


def _test(
    protocol: Protocol, split: str, seed: int, data: Path, model: Path, config: FamilyConfig, measured: Measured
) -> None:
    from preprocessing.schema import read_fitted
    from training.checkpoint import load_whole
    from training.families import find
    from training.ranking import model_scorer, rank_split

    fitted, scorer = read_fitted(data), model_scorer(load_whole(model))
    for setting in settings_of(protocol, split, config):
        rows = find(config.family).rows(data, "test", fitted, _filtering(config, setting))
        found = rank_split(scorer, rows, protocol.ks)
        measured.models.setdefault(setting, {})[seed] = protocol.own(found)
        measured.rows[split] = len(rows)


def _measure_baselines(protocol: Protocol, split: str, data: Path, config: FamilyConfig, measured: Measured) -> None:
    from preprocessing.schema import read_fitted
    from training.baselines import baselines
    from training.examples.moments import SplitData
    from training.families import find
    from training.ranking import rank_split

    fitted = read_fitted(data)
    scorers = baselines(data, SplitData(data, "test", fitted), fitted)
    for setting in settings_of(protocol, split, config):
        rows = find(config.family).rows(data, "test", fitted, _filtering(config, setting))
        measured.baselines[setting] = {
            name: protocol.own(rank_split(scorer, rows, protocol.ks, progress=name)) for name, scorer in scorers.items()
        }


def _filtering(config: FamilyConfig, setting: Setting) -> FamilyConfig:
    return config if setting.seen is None else config.model_copy(update={SEEN: setting.seen})
