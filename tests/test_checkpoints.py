"""Checkpoints: what comes back is what went in, and damage is found."""

import logging
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aae_jax.checkpoints import Best, best_params, checkpoints, digests


def tree(value=0.0):
    return {"weights": jnp.full((300, 40), value), "count": jnp.int32(7), "empty": ()}


def saved_twice(folder):
    with checkpoints(folder) as saved:
        saved.save(1, tree(1.0))
        saved.save(2, tree(2.0))


def restored(folder, like=None):
    with checkpoints(folder) as saved:
        return saved.restore(jax.eval_shape(tree) if like is None else like)


def files_of(folder, number):
    """The files that hold a checkpoint's arrays, largest first."""
    files = [path for path in (folder / str(number) / "state").rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: -path.stat().st_size)


def test_the_newest_comes_back_as_it_was(tmp_path):
    saved_twice(tmp_path)
    number, found = restored(tmp_path)
    assert number == 2
    chex.assert_trees_all_equal(found, tree(2.0))


def test_nothing_is_nothing(tmp_path):
    assert restored(tmp_path / "new") is None


def test_the_last_two_are_kept(tmp_path):
    saved_twice(tmp_path)
    with checkpoints(tmp_path) as saved:
        saved.save(3, tree(3.0))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["2", "3"]


def test_what_is_saved_may_change_afterwards(tmp_path):
    # The training loop donates its state to the next chunk while the checkpoint is being written.
    value = {"weights": np.ones((2000, 200), np.float32)}
    with checkpoints(tmp_path) as saved:
        saved.save(1, value)
        value["weights"][:] = 5.0
    _, found = restored(tmp_path, value)
    assert float(found["weights"].max()) == 1.0


@pytest.mark.parametrize("damage", ["cut short", "a byte flipped", "gone"])
def test_a_damaged_checkpoint_is_reported_and_the_one_before_it_used(tmp_path, caplog, damage):
    saved_twice(tmp_path)
    for path in files_of(tmp_path, 2):
        content = bytearray(path.read_bytes())
        if damage == "gone":
            path.unlink()
        elif damage == "cut short":
            path.write_bytes(content[: len(content) // 2])
        elif content:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="aae_jax.checkpoints"):
        number, found = restored(tmp_path)
    assert number == 1
    chex.assert_trees_all_equal(found, tree(1.0))
    assert "checkpoint 2" in caplog.text and "cannot be used" in caplog.text


def test_another_number_in_the_digests_is_found(tmp_path):
    # What orbax itself would restore without a word: whole files with other content.
    with checkpoints(tmp_path) as saved:
        saved.save(1, tree(1.0))
    digest_file = next(path for path in (tmp_path / "1" / "digests").rglob("*") if "weights" in _text(path))
    digest_file.write_text(digest_file.read_text().replace(digests(tree(1.0))["['weights']"], "0" * 64))
    with pytest.raises(ValueError, match=r"checkpoint 1 .*differ from the digests.*Start anew"):
        restored(tmp_path)


def test_another_structure_is_refused(tmp_path):
    saved_twice(tmp_path)
    other = {"weights": jax.ShapeDtypeStruct((3, 3), jnp.float32)}
    with pytest.raises(ValueError, match="cannot be used"):
        restored(tmp_path, other)


def test_digests_tell_names_shapes_and_dtypes_apart():
    zeros = np.zeros(4, np.float32)
    different = [{"a": zeros}, {"b": zeros}, {"a": zeros.reshape(2, 2)}, {"a": zeros.astype(np.int32)}]
    assert len({value for leaf in different for value in digests(leaf).values()}) == 4


def _text(path):
    try:
        return path.read_text() if path.is_file() else ""
    except UnicodeDecodeError:
        return ""


def test_training_goes_on_after_a_damaged_checkpoint_is_passed_over(tmp_path):
    with checkpoints(tmp_path) as saved:
        saved.save(5, tree(5.0))
        saved.save(10, tree(10.0))
    path = files_of(tmp_path, 10)[0]
    path.write_bytes(path.read_bytes()[:-20])
    with checkpoints(tmp_path) as saved:
        assert saved.restore(jax.eval_shape(tree))[0] == 5
        saved.save(7, tree(7.0))
    assert restored(tmp_path)[0] == 7


def test_a_checkpoint_that_is_there_is_left_and_one_more_takes_its_place(tmp_path):
    with checkpoints(tmp_path) as saved:
        saved.save(0, tree(1.0))
    with checkpoints(tmp_path) as saved:
        saved.save(0, tree(2.0))
    assert float(restored(tmp_path)[1]["weights"][0, 0]) == 1.0
    with checkpoints(tmp_path, kept=1) as saved:
        saved.add(tree(2.0))
    number, found = restored(tmp_path)
    assert number == 1 and float(found["weights"][0, 0]) == 2.0
    with (
        checkpoints(tmp_path) as saved,
        pytest.raises(ValueError, match=r"number is 0, .* has checkpoint 1; expected"),
    ):
        saved.save(0, tree(3.0))


@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), MemoryError()])
def test_a_checkpoint_that_could_not_be_read_once_is_there_the_next_time(tmp_path, monkeypatch, caplog, error):
    saved_twice(tmp_path)
    with checkpoints(tmp_path) as saved:
        restore = saved._manager.restore

        def failing(number, **options):
            if number == 2:
                raise error
            return restore(number, **options)

        monkeypatch.setattr(saved._manager, "restore", failing)
        assert saved.restore(jax.eval_shape(tree))[0] == 1
    assert f"checkpoint 2 in {tmp_path} cannot be used: {type(error).__name__}: " in caplog.text
    assert restored(tmp_path)[0] == 2


FULL_DISK = """
import resource, signal, sys
import numpy as np
from pathlib import Path
from aae_jax.checkpoints import checkpoints

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tree = {"weights": np.random.RandomState(0).rand(300, 400).astype(np.float32)}
with checkpoints(Path(sys.argv[1])) as saved:
    saved.save(1, tree)
    saved.finish()
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    saved.save(2, tree)
"""


def test_a_full_disk_is_a_clear_error_and_whole_checkpoints_stay(tmp_path):
    # A limit on the size of files, in a process of its own, stands for the full disk: its writes fail likewise.
    words = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("OSError: A checkpoint could not be written to")
    assert "File too large" in last and "make room, then go on with --resume" in last
    number, found = restored(tmp_path, jax.eval_shape(lambda: {"weights": jnp.zeros((300, 400))}))
    assert number == 1 and found["weights"].shape == (300, 400)


def offered(folder, offers, values=()):
    """What is kept after some offers to two seeds, of values and of numbers that stand for parameters."""
    params = {"weights": jnp.zeros((2, 3))}
    with checkpoints(folder / "best", kept=1) as saved:
        keeper = Best(saved, jax.eval_shape(lambda: params), values)
        for value, numbers in offers:
            keeper.offer(value, {"weights": jnp.repeat(jnp.array(numbers, float)[:, None], 3, axis=1)})
    kept = best_params(folder, params)
    return kept and np.asarray(kept["weights"])[:, 0].tolist()


def test_the_best_epoch_of_each_seed_is_kept(tmp_path):
    # Of equal ones the first is.
    first = [([3.0, 1.0], [1, 1]), ([2.0, 1.0], [2, 2]), ([2.5, None], [3, 3]), ([2.0, 2.0], [6, 6])]
    assert offered(tmp_path, first) == [2, 1]
    # After a resume: values from the log, parameters from the folder.
    assert offered(tmp_path, [([9.0, 0.5], [4, 4])], [value for value, _ in first]) == [2, 4]
    # Killed before the log had the last epoch: it is offered again, after an earlier one.
    again = [([2.2, 2.0], [5, 5]), ([9.0, 0.5], [4, 4])]
    assert offered(tmp_path, again, [value for value, _ in first]) == [2, 4]
    assert offered(tmp_path / "other", []) is None
    # What the log has of epochs of which nothing is kept does not count.
    assert offered(tmp_path / "other", [([9.0, 0.5], [4, 4])], [[1.0, 1.0]]) == [4, 4]


def test_a_damaged_best_gives_way_to_the_best_of_what_follows(tmp_path, caplog):
    assert offered(tmp_path, [([1.0, 1.0], [1, 1])]) == [1, 1]
    largest = files_of(tmp_path / "best", 1)[0]
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    assert offered(tmp_path, [([5.0, 5.0], [2, 2])], [[1.0, 1.0]]) == [2, 2]
    assert "checkpoint 1" in caplog.text
