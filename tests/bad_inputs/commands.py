"""Bad inputs of the experiments: of their command lines, and of what they share."""

import importlib
import json

import numpy as np

from aae_jax import runs
from aae_jax.data import Dataset, Split
from bad_inputs import cases, in_folder
from bad_inputs.pieces import AAE
from experiments import command_line, optimizers, options, reports

IMAGES = np.random.RandomState(0).randint(0, 256, (400, 4, 4)).astype(np.uint8)
LABELS = np.arange(400) % 4


def command(experiment, *words):
    """Runs a command as `python -m experiments.NAME` does, on four classes of tiny images, in batches of ten."""

    def run(folder):
        module = importlib.import_module(f"experiments.{experiment}")
        given = [word.replace("FOLDER", str(folder)) for word in words]
        terms = {}
        if experiment != "reproduce":
            terms |= {"--preset": "smoke", "--out": folder / "run"}
        if experiment not in ("divergences", "reproduce", "search"):
            terms |= {"--dataset": folder / "own.npz", "--batch-size": 10}
        for option, value in terms.items():
            given += [] if option in words else [option, str(value)]
        command_line.run(module.main, module.PRESETS, arguments=given)

    return run


def digits(images=IMAGES, **arrays):
    return lambda folder: np.savez(folder / "own.npz", images=images, **{"labels": LABELS, **arrays})


def unlabeled(folder):
    np.savez(folder / "own.npz", images=IMAGES)


def half_labeled(split):
    """No label in one of the splits, of which the places are those of a fixed permutation."""
    permutation = np.random.RandomState(0).permutation(400)
    place = {"test": permutation[:80], "validation": permutation[80:120], "train": permutation[120:]}[split]
    labels = LABELS.copy()
    labels[place] = -1
    return digits(labels=labels)


def few(count):
    return digits(IMAGES[:count], labels=LABELS[:count])


def with_run(**settings):
    """A folder where a run of other settings has begun."""

    def write(folder):
        digits()(folder)
        runs.write_json(folder / "run" / "config.json", settings)
        runs.write_lines(folder / "run" / "metrics.jsonl", [{"epoch": 1}])

    return write


def file_in_the_way(folder):
    digits()(folder)
    (folder / "file").write_text("")


def rules(experiment, table, given=None, **more):
    """Cases of a command, `{rule: (words of the command, *words of the message)}`."""
    return in_folder(
        f"python -m experiments.{experiment}",
        {rule: (command(experiment, *of.split()), given or digits(), *words) for rule, (of, *words) in table.items()},
        error=SystemExit,
        **more,
    )


COMMON = {
    "option by name": ("--epoch 3", "no option --epoch.", "Did you mean 'epochs'?"),
    "preset by name": ("--preset smok", "preset is 'smok'", "Did you mean 'smoke'?"),
    "precision by name": ("--precision float23", "precision is 'float23'", "Did you mean 'float32'?"),
    "stream by name": ("--stream maybe", "stream is 'maybe'", "expected one of auto, yes, no"),
    "epochs a number": ("--epochs many", "'many'", "--epochs INT"),
    "epochs >= 1": ("--epochs 0", "epochs is 0", "integer ≥ 1"),
    "batch size >= 1": ("--batch-size 0", "batch_size is 0", "integer ≥ 1"),
    "batch size fits": ("--batch-size 281", "batch_size is 281", "the training set has 280 rows"),
    "seeds >= 1": ("--seeds 0", "seeds is 0", "integer ≥ 1"),
    "seed >= 0": ("--seed -1", "seed is -1", "0 to 2³² − 1"),
    "last seed of 32 bits": ("--seed 4294967295 --seeds 2", "4294967296", "0 to 2³² − 1"),
    "checkpoint epochs >= 1": ("--checkpoint-epochs 0", "checkpoint_epochs is 0", "integer ≥ 1"),
    "devices >= 1": ("--devices 0", "error: devices is 0", "none for as many"),
    "devices that divide": ("--devices 4", "10 cannot be shared by 4", "8 and 12"),
    "width >= 1": ("--width 0", "width is 0", "integer ≥ 1"),
    "noise std >= 0": ("--noise-std -0.3", "noise_std is -0.3", "a number ≥ 0"),
    "noise std finite": ("--noise-std nan", "noise_std is nan", "a number ≥ 0"),
    "a folder with a name": ("--out=", "out is ''", "give one, or leave the option out"),
    "data set there": ("--dataset nowhere.npz", "nowhere.npz", "no such file"),
    "one seed of a stream": ("--stream yes --seeds 2", "2 seeds together", "one at a time"),
}
PAPERS = {
    "drops >= 1": ("--drops 0 3", "drops is (0, 3)", "rising epochs, 1 or later"),
    "drops rise": ("--drops 9 3", "drops is (9, 3)", "rising epochs"),
    "reconstruction rate >= 0": ("--reconstruction-rate -1", "rate of reconstruction is -1", "≥ 0"),
    "game rate no NaN": ("--game-rate nan", "is nan", "a number ≥ 0"),
    "dropout < 1": ("--dropout 1", "rate is 1", "fraction in [0, 1)"),
    "batch norm by name": ("--batch-norm encodr", "batch_norm is 'encodr'", "Did you mean 'encoder'?"),
    "batch norm of a batch": ("--batch-norm encoder --batch-size 1", "batch_size is 1", "one row is its own mean"),
}
CATEGORIES = {
    "view amount >= 0": ("--view-amount -1", "view_amount is -1.0", "a number ≥ 0"),
    "view stretch < 1": ("--view-amount 1 --view-stretch 1", "view_stretch is 1.0", "a fraction in [0, 1)"),
    "view balance >= 0": ("--view-amount 1 --view-balance -1", "view_balance is -1", "a number ≥ 0"),
    "view neighbors >= 0": ("--view-amount 1 --view-neighbors -1", "view_neighbors is -1", "integer ≥ 0"),
    "neighbors among the images": (
        "--view-amount 1 --view-neighbors 280",
        "view_neighbors is 280",
        "fewer than the 280 training images",
    ),
    "a walk of a step": ("--view-amount 1 --view-neighbors 3 --view-walk 0", "view_walk is 0", "integer ≥ 1"),
    "a walk over neighbors": (
        "--view-neighbors 0 --view-walk 3",
        "view_walk is 3",
        "another --view-neighbors beside it",
    ),
    "a walk over neighbors that are viewed": (
        "--view-amount 0 --view-neighbors 3 --view-walk 5",
        "does nothing while view_amount is 0",
        "another --view-amount beside it",
    ),
    "neighbors in memory": (
        "--view-amount 1 --view-neighbors 3 --stream yes",
        "which is streamed",
        "all of it in memory",
    ),
    "view cutout >= 0": ("--view-amount 1 --view-cutout -1", "view_cutout is -1", "integer ≥ 0"),
    "view rate >= 0": ("--view-amount 1 --view-rate -1", "rate of invariance is -1", "≥ 0"),
    "view rate of views": (
        "--view-amount 0 --view-rate 0.1",
        "view_rate is 0.1, and does nothing",
        "another --view-amount beside it",
    ),
    "smoothness radius >= 0": ("--smoothness-radius -1", "smoothness_radius is -1", "≥ 0"),
    "smoothness start >= 0": (
        "--smoothness-radius 1 --smoothness-start -1",
        "start of smoothness is -1",
        "integer ≥ 0",
    ),
    "smoothness start < epochs": (
        "--smoothness-radius 1 --epochs 2 --smoothness-start 2",
        "smoothness_start is 2",
        "epochs is 2; expected fewer",
    ),
    "smoothness rate of smoothness": (
        "--smoothness-radius 0 --smoothness-rate=1",
        "smoothness_rate is 1.0",
        "another --smoothness-radius beside it",
    ),
}
IN_THE_WAY = {
    "folder below a file": ("--out FOLDER/file/run", "out is", "/file is a file"),
    "folder no file": ("--out FOLDER/file", "out is", "expected a folder"),
}
RESUMES = {
    "a run begun": ("", "holds a run: resume it (--resume)", "--out"),
    "resume of another": ("--resume", "experiment was 'another', is", "with the same ones"),
}
CLASSES = {"classification rate finite": ("--classification-rate inf", "rate of classification is inf", "≥ 0")}
LABELED = ("label_prior", "style_content", "semi_supervised", "dimension_reduction")
WITH_CATEGORIES = ("semi_supervised", "clustering", "dimension_reduction")
PRIOR_MATCHERS = ("prior_matching", "label_prior")
ADAMS = PRIOR_MATCHERS
OWN = {
    "prior_matching": {
        "data set by name": ("--dataset nmist", "unknown data set 'nmist'", "'.npz'"),
        "generator rate >= 0": ("--generator-rate -1", "rate of generator is -1", "a number ≥ 0"),
        "refine epochs >= 0": ("--refine-epochs -1", "refine_epochs is -1", "integer ≥ 0"),
        "some epochs before": ("--epochs 4 --refine-epochs 4", "refine_epochs is 4", "fewer than the 4 epochs"),
    },
    "label_prior": {
        "fraction > 0": ("--labeled-fraction 0", "labeled_fraction is 0", "fraction in (0, 1]"),
        "fraction <= 1": ("--labeled-fraction 1.5", "labeled_fraction is 1.5", "fraction in (0, 1]"),
        "reconstruction rate >= 0": ("--reconstruction-rate -1", "rate of reconstruction is -1", "a number ≥ 0"),
        "game rate >= 0": ("--game-rate -1", "rate of discriminator is -1", "a number ≥ 0"),
        "input view amount >= 0": ("--input-view-amount -1", "input_view_amount is -1.0", "a number ≥ 0"),
        "noise of a roll": (
            "--priors gaussian_mixture --roll-noise-std 0.4",
            "roll_noise_std is 0.4, and does nothing",
            "expected swiss_roll among --priors",
        ),
        "roll noise >= 0": ("--roll-noise-std -1", "roll_noise_std is -1.0", "a number ≥ 0"),
        "priors by name": ("--priors swiss_rol", "priors is 'swiss_rol'", "Did you mean 'swiss_roll'?"),
        "some prior": ("--priors", "priors is ()", "one or more"),
        "each prior once": ("--priors swiss_roll swiss_roll", "priors is ('swiss_roll', 'swiss_roll')", "each once"),
        "some labels": ("--labeled-fraction 0.001", "num_labels is 0", "from 1 to 280"),
    },
    "likelihood": {
        "models by name": ("--models aae van", "models is 'van'", "Did you mean 'vae'?"),
        "some model": ("--models", "models is ()", "one or more"),
        "each model once": ("--models gan gan", "models is ('gan', 'gan')", "each once"),
        "a batch for the GAN": ("--models gan --batch-size 1", "Networks are normalized", "expected 2 or more"),
        "code size >= 1": ("--code-size 0", "code_size is 0", "integer ≥ 1"),
        "a code of an autoencoder": (
            "--models gan --code-size 3",
            "code_size is 3, and does nothing",
            "expected aae or vae among --models",
        ),
        "inputs of a GAN": (
            "--models gan --noise-std 0.3",
            "noise_std is 0.3, and does nothing",
            "expected aae or vae among --models",
        ),
        "drops of the AAE": (
            "--models vae --drops 3",
            "drops is (3,), and does nothing",
            "expected aae among --models",
        ),
        "rates of the AAE": (
            "--models vae --game-rate 3",
            "game_rate is 3.0, and does nothing",
            "expected aae among --models",
        ),
        "prior std > 0": ("--prior-std 0", "prior_std is 0", "a number above 0"),
        "refine epochs >= 0": ("--refine-epochs -1", "refine_epochs is -1", "integer ≥ 0"),
        "some epochs before": ("--epochs 4 --refine-epochs 4", "refine_epochs is 4", "fewer than the 4 epochs"),
        "code noise epochs >= 0": ("--code-noise-epochs -1", "code_noise_epochs is -1", "integer ≥ 0"),
        "code noise >= 0": ("--code-noise -1", "code_noise is -1", "a fraction in [0, 1)"),
        "a batch that devices can share": (
            "--seeds 3 --devices 3",
            "10 cannot be shared by 3 devices",
            "are 9 and 12",
        ),
        "noise in some epochs": (
            "--code-noise-epochs 0 --code-noise 0.1",
            "code_noise is 0.1, and does nothing while code_noise_epochs is 0",
            "another --code-noise-epochs",
        ),
        "epochs with some noise": ("--code-noise 0", "code_noise is 0.0, and code_noise_epochs 1", "above 0"),
        "samples >= 1000": ("--samples 0", "samples is 0", "multiples of 1000"),
        "samples in blocks": ("--samples 1500", "samples is 1500", "multiples of 1000"),
        "many samples in blocks": ("--many-samples 99", "many_samples 99", "multiples of 1000"),
        "many samples >= 0": ("--many-samples -1000", "many_samples -1000", "multiples of 1000"),
    },
    "style_content": {"style size >= 1": ("--style-size 0", "style_size is 0", "integer ≥ 1")},
    "semi_supervised": {
        **CLASSES,
        "labels >= 0": ("--labels -1", "labels is -1", "or 0 for all"),
        "a label a class": ("--labels 3", "labels is 3", "at least 4, one of each class"),
        "no more labels than images": ("--labels 281", "num_labels is 281", "from 1 to 280"),
        "style size >= 1": ("--style-size -2", "style_size is -2", "integer ≥ 1"),
        "plain epochs >= 1": ("--plain-epochs 0", "plain_epochs is 0", "integer ≥ 1"),
    },
    "clustering": {
        "cutout of a view": ("--view-amount 0 --view-cutout 3", "view_cutout is 3", "a view_amount above 0"),
        "cutout within the image": ("--view-amount 1 --view-cutout 8", "view_cutout is 8", "fewer pixels"),
        "clusters >= 2": ("--clusters 1", "clusters is 1", "integer ≥ 2"),
        "a cluster a class": ("--clusters 3", "clusters is 3, and", "has 4 classes"),
        "style size >= 1": ("--style-size 0", "style_size is 0", "integer ≥ 1"),
    },
    "dimension_reduction": {
        **CLASSES,
        "panels by name": ("--panels 3d_100", "panels is '3d_100'", "Did you mean '2d_100'?"),
        "some panel": ("--panels", "panels is ()", "one or more"),
        "a batch without labels": ("--panels 2d_unsupervised --batch-size 1", "batch_size is 1", "its own mean"),
        "clusters without labels": (
            "--panels 2d_100 --clusters 50",
            "clusters is 50, and does nothing",
            "expected 2d_unsupervised among --panels",
        ),
        "clusters >= 2": ("--panels 2d_unsupervised --clusters 1", "clusters is 1", "integer ≥ 2"),
        "a cluster a class": ("--panels 2d_unsupervised --clusters 2", "clusters is 2, and", "has 4 classes"),
        "no more labels than images": ("--panels 2d_1000", "num_labels is 1000", "from 1 to 280"),
        "eta > 0": ("--eta 0", "eta is 0", "distance above 0"),
    },
}

EXPERIMENTS = tuple(OWN)


def of_labels(name):
    """Cases of an experiment that needs labels in each split."""
    missing = {"labels": ("", "has 0 classes", f"{name} needs labels")}
    yield from rules(name, missing, unlabeled)
    for split in ("train", "validation", "test"):
        holed = {f"labels of the {split} split": ("", f"no label but -1 in its {split} split", f"{name} needs labels")}
        yield from rules(name, holed, half_labeled(split))


def of_experiment(name):
    yield from rules(name, {**COMMON, **OWN[name], **({} if name in ADAMS else PAPERS)})
    if name in WITH_CATEGORIES:
        yield from rules(name, CATEGORIES)
    yield from rules(name, IN_THE_WAY, file_in_the_way)
    yield from rules(name, RESUMES, with_run(experiment="another"), leaves=(".lock",))
    yield from rules(name, {"two held-out images": ("", "validation split has 1 examples", "2 or more")}, few(19))
    if name in LABELED:
        yield from of_labels(name)
    if name in PRIOR_MATCHERS:
        yield from rules(name, {"codes for holes": ("", "at least 50 codes", "got 49")}, few(249))
    if name == "likelihood":
        words = "a held-out split has 5 examples", "more than 5"
        yield from rules(name, {"neighbors among held-out images": ("", *words)}, few(55))


EXPERIMENT_CASES = [case for name in EXPERIMENTS for case in of_experiment(name)]

DIVERGENCES_CASES = [
    *rules(
        "divergences",
        {
            "option by name": ("--gamesteps 3", "no option --gamesteps.", "Did you mean 'game-steps'?"),
            "preset by name": ("--preset paper", "preset is 'paper'", "expected one of laptop, smoke"),
            "seeds >= 1": ("--seeds 0", "seeds is 0", "integer ≥ 1"),
            "seed >= 0": ("--seed -1", "seed is -1", "from 0 to 2³² − 1"),
            "last seed of 32 bits": ("--seed 4294967295 --seeds 2", "seed is 4294967295", "2 seeds from 0"),
            "spacing > 0": ("--spacing 0", "spacing is 0", "a number above 0"),
            "spacing finite": ("--spacing nan", "spacing is nan", "a number above 0"),
            "game steps >= 1": ("--game-steps 0", "game_steps is 0", "integer ≥ 1"),
            "discriminator steps >= 1": ("--discriminator-steps -5", "discriminator_steps is -5", "integer ≥ 1"),
        },
    ),
    *rules("divergences", IN_THE_WAY, file_in_the_way),
    *rules(
        "divergences",
        {
            "a run begun": ("", "holds a run: resume it (--resume)", "--out"),
            "resume of another": ("--resume", "seeds was 9, is 1", "with the same ones"),
        },
        with_run(seeds=9),
        leaves=(".lock",),
    ),
]


def finished(**changes):
    """A finished run, as far as it is recorded."""
    final = {"commit": "0" * 40, "dirty": False, "config": {"dataset": "mnist"}, "command": "python -m own"}

    def write(folder):
        (folder / "run").mkdir()
        (folder / "run" / "final.json").write_text(json.dumps({**final, **changes}))

    return write


REPRODUCE_CASES = [
    *rules(
        "reproduce",
        {
            "item by name": ("--run table2-10", "run is 'table2-10'", "Did you mean 'table2-100'?"),
            "item of today": (
                "--run table1-10k-refined",
                "options mean something else by now",
                "check out the commit",
            ),
            "preset by name": ("--run table2-100 --preset papper", "preset is 'papper'", "Did you mean 'paper'?"),
            "option by name": ("--wirte", "no option --wirte.", "Did you mean 'write'?"),
            "seeds >= 1": ("--run table2-100 --seeds 0", "seeds is 0", "integer ≥ 1"),
            "one thing": ("--run table2-100 --write", "run and write were given", "one of them at a time"),
            "a name to record": ("--name mine", "name is 'mine'", "goes with --record alone"),
            "a folder to run in": ("--out FOLDER/run", "out is", "goes with --run alone"),
            "a run to resume": ("--write --resume", "resume is 'True'", "goes with --run alone"),
            "a run to record": ("--record FOLDER/none", "no final.json in", "expected a run folder"),
        },
    ),
    *rules(
        "reproduce",
        {
            "a name, no path": ("--record FOLDER/run --name ../own", "name is '../own'", "without a path"),
            "evidence": ("--record FOLDER/run --name never", "no evidence", "a finished experiment"),
        },
        finished(),
    ),
    *rules(
        "reproduce", {"committed code": ("--record FOLDER/run", "not committed", "from one")}, finished(dirty=True)
    ),
    *rules(
        "reproduce",
        {"one commit": ("--record FOLDER/run", "or of several commits (a, b)", "run it again")},
        finished(commits=["a", "b"]),
    ),
    *rules(
        "reproduce",
        {"a final.json": ("--record FOLDER/run", "lacks ['commit', 'dirty']", "a finished experiment leaves")},
        lambda folder: runs.write_json(folder / "run" / "final.json", {"a": 1}),
    ),
]

SEARCH_CASES = rules(
    "search",
    {
        "values once": ("--values 0.1 0.1", "values is ('0.1', '0.1')", "each once"),
        "option by name": ("--option view_rat", "no option --view-rat.", "Did you mean 'view-rate'?"),
        "option of training": (
            "--experiment dimension_reduction --option panels --values 2d_100",
            "option is 'panels'",
            "on which no training depends",
        ),
        "values the option takes": ("--values 0.1 -1", "rate of invariance is -1.0", "a number ≥ 0"),
        "other options": ("--arguments=--out=runs", "arguments hold --out", "leave it out"),
        "arguments a shell can read": ("--arguments=--seeds'", "No closing quotation", "words as in a shell"),
        "a name to record": ("--record ../own", "record is '../own'", "without a path"),
        "some name to record": ("--record=", "record is ''", "give one, or leave the option out"),
        "values that are one number": ("--values 0.01 0.010", "values is (0.01, 0.01)", "each once"),
        "arguments by =": (
            "--arguments --preset=smoke",
            "arguments has no value, and '--preset=smoke' reads as an option",
            "write --arguments=--preset=smoke with =",
        ),
        **{
            f"{option} of no training": (
                f"--option {option} --values 1 2",
                f"option is '{option}'",
                "on which no training depends",
            )
            for option in ("out", "resume", "data-dir", "manual_dir", "devices", "checkpoint_epochs", "stream")
        },
    },
)

ROWS = Split(IMAGES, LABELS)
UNKNOWN = Split(IMAGES, LABELS * 0 - 1)
SHARED_CASES = [
    *cases(
        "experiments.optimizers.adam",
        {
            "rates >= 0": (lambda: optimizers.adam({"generator": -1.0}), "rate of generator is -1.0", "≥ 0"),
            "last < 1": (lambda: optimizers.adam(last=1.0), "last is 1.0", "[0, 1)"),
            "decays < 1": (lambda: optimizers.adam(first_decay={"generator": 1.0}), "generator is 1.0", "[0, 1)"),
            "a rate for each phase": (
                lambda: optimizers.adam({"generator": 0.1})(AAE, 1, 1),
                "phases ['generator']",
                "['reconstruction', 'discriminator'] too",
            ),
        },
    ),
    *cases(
        "experiments.optimizers.sgd",
        {
            "rates a number": (lambda: optimizers.sgd({"generator": None}, drops=()), "generator is None", "≥ 0"),
            "drops rise": (lambda: optimizers.sgd({}, drops=(2, 2)), "drops is (2, 2)", "rising epochs"),
            "own drops rise": (
                lambda: optimizers.sgd({}, drops=(), own_drops={"generator": (0,)}),
                "own_drops of generator is (0,)",
                "1 or later",
            ),
            "starts >= 0": (
                lambda: optimizers.sgd({}, drops=(), starts={"smoothness": -1}),
                "start of smoothness is -1",
                "integer ≥ 0",
            ),
            "a rate for each phase": (
                lambda: optimizers.sgd({"generator": 0.1}, drops=())(AAE, 1, 1),
                "phases ['generator']",
                "['reconstruction', 'discriminator'] too",
            ),
        },
    ),
    *cases(
        "experiments.optimizers.slower_encoder",
        {
            "share >= 0": (
                lambda: optimizers.slower_encoder(optimizers.adam(), -0.5),
                "encoder_share is -0.5",
                "a number ≥ 0",
            ),
            "a rate for each phase": (
                lambda: optimizers.slower_encoder(optimizers.sgd({}, drops=()), 0.5)(AAE, 1, 1),
                "phases []",
                "['reconstruction', 'discriminator', 'generator'] too",
            ),
        },
    ),
    *cases(
        "experiments.optimizers.refinement",
        {
            "rates >= 0": (
                lambda: optimizers.refinement({"generator": -1.0}, drops=(), encoder_share=1.0),
                "rate of generator is -1.0",
                "≥ 0",
            ),
            "drops rise": (
                lambda: optimizers.refinement({}, drops=(3, 2), encoder_share=1.0),
                "drops is (3, 2)",
                "rising epochs",
            ),
            "share >= 0": (
                lambda: optimizers.refinement({}, drops=(), encoder_share=-0.5),
                "encoder_share is -0.5",
                "a number ≥ 0",
            ),
            "a rate for each phase": (
                lambda: optimizers.refinement({"generator": 0.1}, drops=(), encoder_share=1.0)(AAE, 1, 1),
                "phases ['generator']",
                "['reconstruction', 'discriminator'] too",
            ),
        },
    ),
    *cases(
        "experiments.optimizers.followed",
        {
            "an epoch before": (
                lambda: optimizers.followed(optimizers.adam(), optimizers.adam(), epoch=0),
                "epoch is 0",
                "integer ≥ 1",
            ),
            "an epoch after": (
                lambda: optimizers.followed(optimizers.adam(), optimizers.adam(), epoch=2)(AAE, 1, 2),
                "epoch is 2",
                "before the last, 2",
            ),
        },
    ),
    *cases(
        "experiments.options.check_labels",
        {
            "two classes": (
                lambda: options.check_labels(Dataset("own", ROWS, ROWS, ROWS, 1), "this"),
                "own has 1 classes",
                "needs labels of 2 or more",
            ),
            "known in each split": (
                lambda: options.check_labels(Dataset("own", ROWS, UNKNOWN, ROWS, 4), "this"),
                "in its validation split",
                "this needs labels",
            ),
        },
    ),
    *cases(
        "experiments.options.check_selection",
        {"some": (lambda: options.check_selection("panels", ()), "panels is ()", "one or more")},
    ),
    *in_folder(
        "experiments.reports.check_config",
        {
            "no kept result": (
                lambda folder: reports.check_config(folder, {}, resume=True),
                lambda folder: (folder / "final.json").write_text("{}"),
                "holds a final.json and no config.json",
                "expected another folder",
            )
        },
    ),
    *in_folder(
        "experiments.reports.first_seed",
        {"a finished run": (reports.first_seed, None, "no evidence_0.npz", "expected a finished run")},
        error=FileNotFoundError,
    ),
]

CASES = [*EXPERIMENT_CASES, *DIVERGENCES_CASES, *REPRODUCE_CASES, *SEARCH_CASES, *SHARED_CASES]
